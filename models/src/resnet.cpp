#include <array>
#include <map>
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

// What goes around a block: its input, brought to the block's shape where that differs. It comes before the
// block's own layers, so that the main branch's batch norm is the later one and is fused with the add.
NodeId add_shortcut(Graph& graph, const std::string& name, NodeId input, std::int64_t channels,
                    std::int64_t stride, const std::string& kind) {
  if (stride == 1 && graph.shape(input).channels == channels) return input;
  if (kind == "zero_padding") return add_zero_padding(graph, name + ".shortcut", input, channels, stride);
  return add_conv_bn(graph, name + ".shortcut.conv", name + ".shortcut.bn", input, channels, 1, stride);
}

NodeId add_basic_block(Graph& graph, const std::string& name, NodeId input, std::int64_t channels,
                       std::int64_t stride, const std::string& shortcut) {
  const NodeId around = add_shortcut(graph, name, input, channels, stride, shortcut);
  NodeId x = add_conv_bn(graph, name + ".conv1", name + ".bn1", input, channels, 3, stride);
  x = graph.add(name + ".relu1", "relu", {x});
  x = add_conv_bn(graph, name + ".conv2", name + ".bn2", x, channels, 3, 1);
  x = graph.add(name + ".add", "add", {x, around});
  return graph.add(name + ".relu2", "relu", {x});
}

// `channels` inside, four times as many outside.
NodeId add_bottleneck_block(Graph& graph, const std::string& name, NodeId input, std::int64_t channels,
                            std::int64_t stride, const std::string& shortcut) {
  const NodeId around = add_shortcut(graph, name, input, 4 * channels, stride, shortcut);
  NodeId x = add_conv_bn(graph, name + ".conv1", name + ".bn1", input, channels, 1, 1);
  x = graph.add(name + ".relu1", "relu", {x});
  x = add_conv_bn(graph, name + ".conv2", name + ".bn2", x, channels, 3, stride);
  x = graph.add(name + ".relu2", "relu", {x});
  x = add_conv_bn(graph, name + ".conv3", name + ".bn3", x, 4 * channels, 1, 1);
  x = graph.add(name + ".add", "add", {x, around});
  return graph.add(name + ".relu3", "relu", {x});
}

void check_shortcut(const BuildOptions& options) {
  require(options.shortcut == "projection" || options.shortcut == "zero_padding",
          "shortcuts are 'projection' or 'zero_padding', not '{}'", options.shortcut);
}

}  // namespace

Graph build_cifar_resnet(std::int64_t depth, const BuildOptions& options) {
  require(depth >= 8 && (depth - 2) % 6 == 0, "a CIFAR ResNet has 6 n + 2 layers, not {}", depth);
  check_shortcut(options);
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
  add_classifier(graph, graph.add("pool", "global_avg_pool", {x}), options);
  return graph;
}

Graph build_imagenet_resnet(std::int64_t depth, const BuildOptions& options) {
  struct Plan {
    std::array<std::int64_t, 4> blocks;
    bool bottleneck;
  };
  static const std::map<std::int64_t, Plan> plans{{18, {{2, 2, 2, 2}, false}},
                                                  {34, {{3, 4, 6, 3}, false}},
                                                  {50, {{3, 4, 6, 3}, true}},
                                                  {101, {{3, 4, 23, 3}, true}}};
  const auto found = plans.find(depth);
  require(found != plans.end(), "there are ResNet-18, 34, 50 and 101 for 224x224 images, not {}", depth);
  const auto& [blocks, bottleneck] = found->second;
  check_shortcut(options);
  require(options.image->height >= 32 && options.image->width >= 32,
          "ResNet-{} takes images from 32x32 on, not {}x{}", depth, options.image->height,
          options.image->width);
  Graph graph;
  NodeId x = add_image(graph, options);
  x = graph.add("relu1", "relu", {add_conv_bn(graph, "conv1", "bn1", x, 64, 7, 2)});
  x = graph.add("maxpool", "max_pool", {x},
                {{"kernel", std::int64_t{3}}, {"stride", std::int64_t{2}}, {"padding", std::int64_t{1}}});
  for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
    const std::int64_t channels = std::int64_t{64} << stage;
    for (std::int64_t block = 0; block < blocks[stage]; ++block) {
      const std::int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      const std::string name = fmt::format("layer{}.{}", stage + 1, block);
      x = bottleneck ? add_bottleneck_block(graph, name, x, channels, stride, options.shortcut)
                     : add_basic_block(graph, name, x, channels, stride, options.shortcut);
    }
  }
  add_classifier(graph, graph.add("pool", "global_avg_pool", {x}), options);
  return graph;
}

}  // namespace secateur::models
