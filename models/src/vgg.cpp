#include <vector>

#include "builders.h"
#include "secateur/core/error.h"

namespace secateur::models {

Graph build_vgg(std::int64_t depth, const BuildOptions& options) {
  require(depth == 16 || depth == 19, "there are VGG-16 and VGG-19, not VGG-{}", depth);
  require(options.head >= 0, "the hidden layer of the head has a width of 0 (none) or more, not {}",
          options.head);
  constexpr std::int64_t kPool = 0;
  const std::vector<std::int64_t> vgg16{64,    64,  kPool, 128, 128,   kPool, 256, 256, 256,
                                        kPool, 512, 512,   512, kPool, 512,   512, 512, kPool};
  const std::vector<std::int64_t> vgg19{64,  64,  kPool, 128, 128,   kPool, 256, 256, 256, 256,  kPool,
                                        512, 512, 512,   512, kPool, 512,   512, 512, 512, kPool};
  Graph graph;
  NodeId x = add_image(graph, options);
  std::int64_t convolution = 0;
  std::int64_t pool = 0;
  for (const std::int64_t width : depth == 16 ? vgg16 : vgg19) {
    if (width == kPool) {
      x = graph.add(fmt::format("pool{}", ++pool), "max_pool", {x}, {{"kernel", std::int64_t{2}}});
      continue;
    }
    ++convolution;
    x = add_conv_bn(graph, fmt::format("conv{}", convolution), fmt::format("bn{}", convolution), x, width, 3,
                    1);
    x = graph.add(fmt::format("relu{}", convolution), "relu", {x});
  }
  x = graph.add("flatten", "flatten", {x});
  if (options.head > 0) {
    x = graph.add("fc1", "linear", {x}, {{"out_features", options.head}});
    x = graph.add("fc1.relu", "relu", {x});
  }
  add_classifier(graph, x, options);
  return graph;
}

}  // namespace secateur::models
