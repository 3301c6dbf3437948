// How every op's attributes follow a removal.
#include <gtest/gtest.h>

#include "graph/graph_builder.h"
#include "secateur/graph/channel_space.h"
#include "secateur/graph/cost.h"
#include "secateur/prune/pruning_plan.h"

namespace secateur {
namespace {

using test::List;

Graph pruned(const Graph& graph, const std::vector<std::pair<std::string, List>>& keeps) {
  const ChannelSpaces spaces(graph);
  PruningPlan plan;
  for (const auto& [name, kept] : keeps) {
    plan.edits.push_back({name, spaces.space(spaces.space_of_producer(graph.find(name))).width, kept});
  }
  return pruned_graph(graph, spaces, plan.members(spaces));
}

const Attributes& attributes(const Graph& graph, const char* name) {
  return graph.node(graph.find(name)).attributes;
}

TEST(KeepChannels, ConvolutionLinearAndOrigins) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 5);
  const NodeId drop = b.graph.add("drop", "dropout", {b.relu(a)});
  b.classifier(drop, 3);
  const Graph once = pruned(b.graph, {{"a", {0, 2, 4}}});
  EXPECT_EQ(once.shape(once.find("drop")).channels, 3);
  EXPECT_EQ(attributes(once, "a").integers("origin"), (List{0, 2, 4}));
  EXPECT_EQ(attributes(once, "drop").integers("origin"), (List{0, 2, 4}));
  EXPECT_EQ(attributes(once, "drop").integer("original_channels"), 5);
  EXPECT_FALSE(attributes(once, "fc").contains("origin"));
  const Graph twice = pruned(once, {{"a", {1, 2}}});
  EXPECT_EQ(attributes(twice, "a").integers("origin"), (List{2, 4}));
  EXPECT_EQ(attributes(twice, "drop").integer("original_channels"), 5);
  EXPECT_EQ(twice, pruned(b.graph, {{"a", {2, 4}}}));
}

TEST(KeepChannels, DepthwiseLosesGroups) {
  test::Builder b;
  b.classifier(b.conv("depthwise", b.conv("a", b.image(), 4), 4, 4), 3);
  const Graph after = pruned(b.graph, {{"a", {1, 2, 3}}});
  EXPECT_EQ(attributes(after, "depthwise").integer("groups"), 3);
  EXPECT_EQ(attributes(after, "depthwise").integer("out_channels"), 3);
}

TEST(KeepChannels, GroupedKeepsItsGroups) {
  test::Builder b;
  b.classifier(b.conv("grouped", b.conv("a", b.image(), 4), 4, 2), 3);
  const Graph after = pruned(b.graph, {{"a", {1, 2}}, {"grouped", {0, 3}}});
  EXPECT_EQ(attributes(after, "grouped").integer("groups"), 2);
  EXPECT_EQ(attributes(after, "grouped").integer("out_channels"), 2);
}

// One channel in and one out a group looks like a depthwise layer afterwards: the next removal takes groups.
TEST(KeepChannels, GroupedDownToOneChannelAGroup) {
  test::Builder b;
  b.classifier(b.conv("grouped", b.conv("a", b.image(), 4), 4, 2), 3);
  const Graph narrow = pruned(b.graph, {{"a", {0, 2}}, {"grouped", {1, 3}}});
  const Graph after = pruned(narrow, {{"a", {1}}});
  EXPECT_EQ(attributes(after, "grouped").integer("groups"), 1);
  EXPECT_EQ(after.shape(after.find("grouped")).channels, 1);
}

TEST(KeepChannels, TablesAreRenumbered) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 4);
  const NodeId padded = b.graph.add("pad", "pad_channels", {a}, {{"table", List{-1, 3, 0, 2, 1}}});
  const NodeId gathered = b.graph.add("gather", "gather_channels", {a}, {{"table", List{3, 1, 3}}});
  b.classifier(b.graph.add("both", "concat", {padded, gathered}), 3);
  const Graph after = pruned(b.graph, {{"a", {1, 3}}});
  EXPECT_EQ(attributes(after, "pad").integers("table"), (List{-1, 1, 0}));
  EXPECT_EQ(attributes(after, "gather").integers("table"), (List{1, 0, 1}));
  EXPECT_EQ(after.shape(after.find("both")).channels, 6);
}

TEST(KeepChannels, ScatterTableFollowsTrunkAndBranch) {
  test::Builder b;
  const NodeId trunk = b.conv("trunk", b.image(), 4);
  const NodeId branch = b.conv("branch", b.relu(trunk), 3);
  b.classifier(b.graph.add("sum", "scatter_add", {trunk, branch}, {{"table", List{3, 1, 0}}}), 3);
  const Graph after = pruned(b.graph, {{"trunk", {0, 2, 3}}});
  EXPECT_EQ(attributes(after, "sum").integers("table"), (List{2, 0}));
  EXPECT_EQ(attributes(after, "branch").integers("origin"), (List{0, 2}));
}

TEST(KeepChannels, FlattenShrinksTheClassifiersInput) {
  test::Builder b;
  const NodeId flat = b.graph.add("flat", "flatten", {b.conv("a", b.image(), 4)});
  b.graph.add("fc", "linear", {flat}, {{"out_features", std::int64_t{3}}});
  const Graph after = pruned(b.graph, {{"a", {3}}});
  EXPECT_EQ(after.shape(after.find("flat")).channels, 16);
  EXPECT_EQ(after.shape(after.find("fc")).channels, 3);
}

TEST(KeepChannels, NothingRemovedIsTheSameGraph) {
  test::Builder b;
  b.classifier(b.conv("a", b.image(), 4), 3);
  const ChannelSpaces spaces(b.graph);
  EXPECT_EQ(pruned_graph(b.graph, spaces, spaces.keep_all()), b.graph);
}

// conv 3 -> 4 and 4 -> 6 in two groups, both 3 x 3 on 4 x 4 maps, and 6 -> 3 with bias:
// weights 108 + 6 * 9 * 2 + 18 + 3, multiply-adds 16 * 108 + 16 * 108 + 18.
TEST(Cost, ByHand) {
  test::Builder b;
  b.classifier(b.conv("grouped", b.conv("a", b.image(), 4), 6, 2), 3);
  const GraphCost cost = cost_of(b.graph);
  EXPECT_EQ(cost.parameters, 108 + 108 + 21);
  EXPECT_EQ(cost.macs, 2 * 16 * 108 + 18);
  EXPECT_EQ(cost.activation_bytes, 4 * (16 * 3 + 16 * 4 + 16 * 6 + 6 + 3));
  EXPECT_EQ(cost.nodes.size(), static_cast<std::size_t>(b.graph.size()));
}

TEST(Cost, RunningStatisticsAreNotParameters) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 4);
  b.classifier(b.graph.add("bn", "batch_norm", {a}), 3);
  EXPECT_EQ(cost_of(b.graph).nodes[2].parameters, 8);
}

}  // namespace
}  // namespace secateur
