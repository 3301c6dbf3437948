// Small networks with what makes pruning hard: trunks that fall into several spaces, groups, concatenation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secateur/graph/graph.h"

namespace secateur::selftest {

class GraphBuilder {
 public:
  explicit GraphBuilder(std::int64_t extent = 6, std::int64_t channels = 3) {
    x = graph.add("image", "input", {}, {{"height", extent}, {"width", extent}, {"channels", channels}});
  }
  NodeId conv(const std::string& name, NodeId in, std::int64_t channels, std::int64_t kernel,
              std::int64_t stride = 1, std::int64_t groups = 1) {
    return graph.add(name, "conv2d", {in},
                     {{"out_channels", channels},
                      {"kernel", kernel},
                      {"stride", stride},
                      {"padding", (kernel - 1) / 2},
                      {"groups", groups}});
  }
  NodeId conv_bn(const std::string& name, NodeId in, std::int64_t channels, std::int64_t kernel,
                 std::int64_t stride = 1, std::int64_t groups = 1) {
    return graph.add(name + ".bn", "batch_norm", {conv(name, in, channels, kernel, stride, groups)});
  }
  NodeId relu(const std::string& name, NodeId in) { return graph.add(name, "relu", {in}); }
  NodeId conv_bn_relu(const std::string& name, NodeId in, std::int64_t channels, std::int64_t kernel,
                      std::int64_t stride = 1, std::int64_t groups = 1) {
    return relu(name + ".relu", conv_bn(name, in, channels, kernel, stride, groups));
  }
  NodeId pool(NodeId in, std::int64_t window) {
    return graph.add("subsample", "avg_pool", {in}, {{"kernel", std::int64_t{1}}, {"stride", window}});
  }
  void head(NodeId in, std::int64_t classes = 4) {
    const NodeId pooled = graph.add("pool", "global_avg_pool", {in});
    graph.add("fc", "linear", {pooled}, {{"out_features", classes}});
  }

  Graph graph;
  NodeId x;
};

// A shortcut of zero padding (option A): 4 channels become 8, two zeros on either side, which two blocks
// fill.
inline Graph option_a_resnet() {
  GraphBuilder b;
  NodeId x = b.conv_bn_relu("stem", b.x, 4, 3);
  NodeId y = b.conv_bn("block1.conv2", b.conv_bn_relu("block1.conv1", x, 5, 3), 4, 3);
  x = b.relu("block1.relu2", b.graph.add("block1.add", "add", {y, x}));
  y = b.conv_bn("block2.conv2", b.conv_bn_relu("block2.conv1", x, 6, 3, 2), 8, 3);
  const NodeId shortcut = b.graph.add("block2.pad", "pad_channels", {b.pool(x, 2)},
                                      {{"table", std::vector<std::int64_t>{-1, -1, 0, 1, 2, 3, -1, -1}}});
  x = b.relu("block2.relu2", b.graph.add("block2.add", "add", {y, shortcut}));
  y = b.conv_bn("block3.conv2", b.conv_bn_relu("block3.conv1", x, 5, 3), 8, 3);
  x = b.relu("block3.relu2", b.graph.add("block3.add", "add", {y, x}));
  b.head(x);
  return std::move(b.graph);
}

// Two branches side by side, then a convolution that reads both.
inline Graph concat_network() {
  GraphBuilder b;
  const NodeId stem = b.conv_bn_relu("stem", b.x, 5, 3);
  const NodeId left = b.conv_bn_relu("left", stem, 4, 1);
  const NodeId right = b.conv_bn("right", stem, 6, 3);  // its activation comes after the concatenation
  const NodeId both = b.relu("both.relu", b.graph.add("both", "concat", {left, right}));
  b.head(b.conv_bn_relu("after", both, 5, 3));
  return std::move(b.graph);
}

// Dense, depthwise, pointwise, then a convolution in two groups.
inline Graph grouped_network() {
  GraphBuilder b;
  NodeId x = b.conv_bn_relu("expand", b.x, 8, 1);
  x = b.conv_bn_relu("depthwise", x, 8, 3, 1, 8);
  x = b.conv_bn_relu("project", x, 6, 1);
  x = b.conv_bn_relu("grouped", x, 8, 3, 2, 2);
  b.head(b.conv_bn_relu("last", x, 5, 3));
  return std::move(b.graph);
}

// A hidden linear layer behind a flatten, and no batch norm.
inline Graph flat_network() {
  GraphBuilder b;
  NodeId x = b.relu("conv1.relu", b.conv("conv1", b.x, 5, 3));
  x = b.graph.add("pool1", "max_pool", {x}, {{"kernel", std::int64_t{2}}});
  x = b.graph.add("flatten", "flatten", {b.conv("conv2", x, 4, 3)});
  x = b.graph.add("hidden", "linear", {x}, {{"out_features", std::int64_t{7}}});
  b.graph.add("fc", "linear", {b.relu("hidden.relu", x)}, {{"out_features", std::int64_t{4}}});
  return std::move(b.graph);
}

}  // namespace secateur::selftest
