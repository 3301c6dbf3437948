// How to add a network: a function that returns a Graph. It cannot allocate or compute, and nothing else has
// to know of it: training, pruning, export and the checkpoint take the graph as it is.
#include <algorithm>
#include <cstdio>
#include <string>

#include "secateur/graph/channel_space.h"
#include "secateur/graph/cost.h"

using namespace secateur;

namespace {

NodeId conv_bn_relu(Graph& graph, const std::string& name, NodeId x, std::int64_t filters) {
  using I = std::int64_t;
  x = graph.add(name + ".conv", "conv2d", {x},
                {{"out_channels", filters}, {"kernel", I{3}}, {"padding", I{1}}});
  x = graph.add(name + ".bn", "batch_norm", {x});
  return graph.add(name + ".relu", "relu", {x});
}

// A stem and `blocks` residual blocks, for 32x32 images in colour.
Graph tiny_residual(std::int64_t width, int blocks, std::int64_t classes) {
  using I = std::int64_t;
  Graph graph;
  NodeId x = graph.add("image", "input", {}, {{"height", I{32}}, {"width", I{32}}, {"channels", I{3}}});
  x = conv_bn_relu(graph, "stem", x, width);
  for (int block = 0; block < blocks; ++block) {
    const std::string name = "block" + std::to_string(block);
    const NodeId inner = conv_bn_relu(graph, name + ".a", x, width);
    const NodeId outer = conv_bn_relu(graph, name + ".b", inner, width);
    x = graph.add(name + ".add", "add", {outer, x});
  }
  x = graph.add("pool", "global_avg_pool", {x});
  graph.add("fc", "linear", {x}, {{"out_features", classes}});
  return graph;
}

}  // namespace

int main() {
  const Graph graph = tiny_residual(8, 2, 10);
  const GraphCost cost = cost_of(graph);
  std::printf("%lld parameters, %lld multiply-adds\n", static_cast<long long>(cost.parameters),
              static_cast<long long>(cost.macs));
  // The trunk is one space with a producer a block and the stem; each inner convolution has its own.
  std::int64_t trunk_producers = 0;
  const ChannelSpaces spaces(graph);
  for (const ChannelSpace& space : spaces.spaces()) {
    std::printf("%s: %lld channels, %zu producers\n", space.name.c_str(), static_cast<long long>(space.width),
                space.producers.size());
    trunk_producers = std::max(trunk_producers, static_cast<std::int64_t>(space.producers.size()));
  }
  return trunk_producers == 3 ? 0 : 1;
}
