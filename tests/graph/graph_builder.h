// A few words to build small networks with, on a 4 x 4 image of three channels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secateur/graph/graph.h"

namespace secateur::test {

using List = std::vector<std::int64_t>;

class Builder {
 public:
  Builder() {
    graph.add("image", "input", {},
              {{"height", std::int64_t{4}}, {"width", std::int64_t{4}}, {"channels", std::int64_t{3}}});
  }

  [[nodiscard]] NodeId image() const { return 0; }
  NodeId conv(const std::string& name, NodeId input, std::int64_t channels, std::int64_t groups = 1) {
    return graph.add(name, "conv2d", {input},
                     {{"out_channels", channels},
                      {"kernel", std::int64_t{3}},
                      {"padding", std::int64_t{1}},
                      {"groups", groups}});
  }
  NodeId relu(NodeId input) { return graph.add(graph.node(input).name + ".relu", "relu", {input}); }
  NodeId classifier(NodeId input, std::int64_t classes) {
    const NodeId pooled = graph.add("gap", "global_avg_pool", {input});
    return graph.add("fc", "linear", {pooled}, {{"out_features", classes}});
  }

  Graph graph;
};

}  // namespace secateur::test
