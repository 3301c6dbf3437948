// What is joined for execution, and what must stay apart.
#include "secateur/graph/fusion.h"

#include <gtest/gtest.h>

namespace secateur {
namespace {

Attributes conv(std::int64_t channels) {
  return {{"out_channels", channels}, {"kernel", std::int64_t{3}}, {"padding", std::int64_t{1}}};
}

// image, conv, bn, relu
Graph chain() {
  Graph graph;
  graph.add("image", "input", {},
            {{"height", std::int64_t{4}}, {"width", std::int64_t{4}}, {"channels", std::int64_t{3}}});
  graph.add("conv", "conv2d", {0}, conv(3));
  graph.add("bn", "batch_norm", {1}, {{"epsilon", 1e-3}});
  graph.add("relu", "relu", {2});
  return graph;
}

TEST(Fusion, BatchNormAndRelu) {
  Graph graph = chain();
  graph.add("pool", "global_avg_pool", {3});
  const FusedGraph fused = fuse(graph, {});
  ASSERT_EQ(fused.graph.size(), 4);
  const Node& node = fused.graph.node(2);
  EXPECT_EQ(node.op, "batch_norm_act");
  EXPECT_EQ(node.name, "bn");  // under which its parameters are found
  EXPECT_EQ(node.attributes.real("epsilon"), 1e-3);
  EXPECT_EQ(fused.node_map, (std::vector<NodeId>{0, 1, -1, 2, 3}));
  EXPECT_EQ(fused.graph.output(), 3);
}

TEST(Fusion, OfTwoBranchesTheLaterIsTaken) {
  Graph graph = chain();
  const NodeId around = graph.add("bn.around", "batch_norm", {1});
  const NodeId main = graph.add("bn.main", "batch_norm", {1});
  // Whichever way round the add names them.
  const NodeId sum = graph.add("add", "add", {around, main});
  graph.add("relu2", "relu", {sum});
  const FusedGraph fused = fuse(graph, {});
  const Node& node = fused.graph.node(fused.graph.output());
  EXPECT_EQ(node.op, "batch_norm_act");
  EXPECT_EQ(node.name, "bn.main");
  ASSERT_EQ(node.inputs.size(), 2U);
  EXPECT_EQ(fused.graph.node(node.inputs[0]).name, "conv");
  EXPECT_EQ(fused.graph.node(node.inputs[1]).name, "bn.around");
  EXPECT_EQ(fused.graph.node(node.inputs[1]).op, "batch_norm");
  EXPECT_EQ(fused.node_map[static_cast<std::size_t>(sum)], -1);
}

TEST(Fusion, FoldsConvolutionsOnRequest) {
  Graph graph = chain();
  const NodeId again = graph.add("conv2", "conv2d", {3}, conv(3));
  const NodeId norm = graph.add("bn2", "batch_norm", {again}, {{"epsilon", 1e-4}});
  const NodeId around = graph.add("around", "conv2d", {3}, conv(3));
  const NodeId around_norm = graph.add("around.bn", "batch_norm", {around});
  const NodeId sum = graph.add("add", "add", {norm, around_norm});
  graph.add("relu2", "relu", {sum});
  const FusedGraph folded = fuse_and_fold(graph, {});
  ASSERT_EQ(folded.graph.size(), 4);
  const Node& first = folded.graph.node(1);
  EXPECT_EQ(first.op, "folded_conv2d");
  EXPECT_EQ(first.name, "bn");
  EXPECT_EQ(first.attributes.real("epsilon"), 1e-3);
  EXPECT_EQ(first.attributes.integer("relu"), 1);
  EXPECT_EQ(first.attributes.integer("padding"), 1);
  EXPECT_EQ(folded.sources[1], (std::vector<NodeId>{1, 2}));
  // Of the two branches the later one takes the sum; the other ends with its batch norm.
  const Node& first_branch = folded.graph.node(2);
  EXPECT_EQ(first_branch.name, "bn2");
  EXPECT_EQ(first_branch.attributes.integer("relu"), 0);
  EXPECT_EQ(first_branch.inputs, (std::vector<NodeId>{1}));
  const Node& last = folded.graph.node(3);
  EXPECT_EQ(last.name, "around.bn");
  EXPECT_EQ(last.attributes.integer("relu"), 1);
  EXPECT_EQ(last.inputs, (std::vector<NodeId>{1, 2}));
  EXPECT_EQ(folded.sources[3], (std::vector<NodeId>{around, around_norm}));
  EXPECT_EQ(folded.graph.output(), 3);
}

TEST(Fusion, FoldsNoConvolutionThatOthersRead) {
  Graph graph = chain();
  graph.add("pool", "global_avg_pool", {1});
  EXPECT_EQ(fuse_and_fold(graph, {}).graph, fuse(graph, {}).graph);
  const Graph plain = chain();
  const std::vector<NodeId> visible{1};
  EXPECT_EQ(fuse_and_fold(plain, visible).graph, fuse(plain, visible).graph);
}

TEST(Fusion, VisibleValuesStay) {
  const Graph graph = chain();
  const std::vector<NodeId> visible{2};
  const FusedGraph fused = fuse(graph, visible);
  EXPECT_EQ(fused.graph, graph);
  EXPECT_EQ(fused.node_map[2], 2);
  // The end of the chain may be seen: its value is still computed.
  const std::vector<NodeId> end{3};
  EXPECT_EQ(fuse(graph, end).graph.size(), 3);
}

TEST(Fusion, ValuesReadTwiceStay) {
  Graph graph = chain();
  graph.add("more", "add", {2, 3});
  EXPECT_EQ(fuse(graph, {}).graph, graph);
}

TEST(Fusion, TheAnswerStays) {
  Graph graph = chain();
  graph.set_output(2);
  const FusedGraph fused = fuse(graph, {});
  EXPECT_EQ(fused.graph.size(), graph.size());
  EXPECT_EQ(fused.graph.node(fused.graph.output()).name, "bn");
}

TEST(Fusion, OtherOpsBetweenStay) {
  Graph graph = chain();
  const NodeId pool = graph.add("pool", "max_pool", {3}, {{"kernel", std::int64_t{2}}});
  graph.add("relu.alone", "relu", {pool});
  const FusedGraph fused = fuse(graph, {});
  EXPECT_EQ(fused.graph.node(fused.graph.output()).op, "relu");
  EXPECT_EQ(fused.graph.size(), graph.size() - 1);
}

TEST(Fusion, UnfusedIsThePlainGraph) {
  Graph graph = chain();
  graph.set_output(2);
  const FusedGraph same = unfused(graph);
  EXPECT_EQ(same.graph, graph);
  EXPECT_EQ(same.node_map, (std::vector<NodeId>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace secateur
