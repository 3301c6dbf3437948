#include <numeric>
#include <vector>

#include "builders.h"
#include "secateur/core/error.h"

namespace secateur::models {
namespace {

// Option A: every other position, zeros for the channels that are new, half of them on each side.
NodeId add_zero_padding(Graph& graph, const std::string& name, NodeId input, std::int64_t channels,
                        std::int64_t stride) {
  const NodeId sampled =
      graph.add(name + ".sample", "max_pool", {input}, {{"kernel", std::int64_t{1}}, {"stride", stride}});
  const std::int64_t before = graph.shape(sampled).channels;
  std::vector<std::int64_t> table(static_cast<std::size_t>(channels), -1);
  const auto first = table.begin() + (channels - before) / 2;
  std::iota(first, first + before, 0);
  return graph.add(name + ".pad", "pad_channels", {sampled}, {{"table", std::move(table)}});
}

NodeId add_basic_block(Graph& graph, const std::string& name, NodeId input, std::int64_t channels,
                       std::int64_t stride, const std::string& shortcut) {
  // The shortcut comes first, so that the main branch's batch norm is the later one and is fused with the
  // add.
  NodeId around = input;
  if (stride != 1 || graph.shape(input).channels != channels) {
    around = shortcut == "projection" ? add_conv_bn(graph, name + ".shortcut.conv", name + ".shortcut.bn",
                                                    input, channels, 1, stride)
                                      : add_zero_padding(graph, name + ".shortcut", input, channels, stride);
  }
  NodeId x = add_conv_bn(graph, name + ".conv1", name + ".bn1", input, channels, 3, stride);
  x = graph.add(name + ".relu1", "relu", {x});
  x = add_conv_bn(graph, name + ".conv2", name + ".bn2", x, channels, 3, 1);
  x = graph.add(name + ".add", "add", {x, around});
  return graph.add(name + ".relu2", "relu", {x});
}

}  // namespace

Graph build_cifar_resnet(std::int64_t depth, const BuildOptions& options) {
  require(depth >= 8 && (depth - 2) % 6 == 0, "a CIFAR ResNet has 6 n + 2 layers, not {}", depth);
  require(options.shortcut == "projection" || options.shortcut == "zero_padding",
          "shortcuts are 'projection' or 'zero_padding', not '{}'", options.shortcut);
  Graph graph;
  NodeId x = add_image(graph, options);
  x = graph.add("relu1", "relu", {add_conv_bn(graph, "conv1", "bn1", x, 16, 3, 1)});
  for (std::int64_t stage = 1; stage <= 3; ++stage) {
    for (std::int64_t block = 0; block < (depth - 2) / 6; ++block) {
      const std::int64_t stride = stage > 1 && block == 0 ? 2 : 1;
      x = add_basic_block(graph, fmt::format("layer{}.{}", stage, block), x, std::int64_t{8} << stage, stride,
                          options.shortcut);
    }
  }
  x = graph.add("pool", "global_avg_pool", {x});
  graph.add("fc", "linear", {x}, {{"out_features", options.num_classes}});
  return graph;
}

}  // namespace secateur::models
