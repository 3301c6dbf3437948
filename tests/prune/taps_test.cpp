// Where feature maps are read, and which spaces a run may prune.
#include "secateur/prune/taps.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "secateur/core/error.h"
#include "secateur/prune/scope.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"

namespace secateur {
namespace {

using Names = std::vector<std::string>;

std::int64_t space_called(const ChannelSpaces& spaces, std::string_view name) {
  const auto found = std::ranges::find(spaces.spaces(), name, &ChannelSpace::name);
  EXPECT_NE(found, spaces.spaces().end()) << name;
  return found - spaces.spaces().begin();
}

Names taps(const Graph& graph, std::string_view space, TapStage stage) {
  const ChannelSpaces spaces(graph);
  Names names;
  for (const Tap& tap : taps_of(graph, spaces, space_called(spaces, space), stage)) {
    names.push_back(graph.node(tap.node).name);
  }
  return names;
}

TEST(Taps, PlainNetwork) {
  const Graph graph = selftest::small_vgg();
  EXPECT_EQ(taps(graph, "conv1", TapStage::relu), (Names{"conv1.relu"}));
  EXPECT_EQ(taps(graph, "conv1", TapStage::bn), (Names{"conv1.bn"}));
  EXPECT_EQ(taps(graph, "conv1", TapStage::conv), (Names{"conv1"}));
}

TEST(Taps, TrunkIsReadAfterTheStemAndAfterEachAdd) {
  const Graph graph = selftest::small_resnet();
  EXPECT_EQ(taps(graph, "stem", TapStage::relu), (Names{"stem.relu", "block1.relu2"}));
  EXPECT_EQ(taps(graph, "stem", TapStage::bn), (Names{"stem.bn", "block1.conv2.bn"}));
  EXPECT_EQ(taps(graph, "stem", TapStage::conv), (Names{"stem", "block1.conv2"}));
  EXPECT_EQ(taps(graph, "block1.conv1", TapStage::relu), (Names{"block1.relu1"}));
  // Shortcut and second convolution end in the same add: one tap.
  EXPECT_EQ(taps(graph, "block2.shortcut", TapStage::relu), (Names{"block2.relu2"}));
}

TEST(Taps, SplitTrunkGivesEachSpaceItsLanes) {
  const Graph graph = selftest::option_a_resnet();
  const ChannelSpaces spaces(graph);
  const auto narrow = taps_of(graph, spaces, space_called(spaces, "stem"), TapStage::relu);
  ASSERT_EQ(narrow.size(), 4U);
  EXPECT_EQ(graph.node(narrow[0].node).name, "stem.relu");
  EXPECT_EQ(narrow[0].lanes, (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(graph.node(narrow[2].node).name, "block2.relu2");
  EXPECT_EQ(narrow[2].lanes, (std::vector<std::int64_t>{2, 3, 4, 5}));
  const auto added = taps_of(graph, spaces, space_called(spaces, "block2.conv2"), TapStage::relu);
  ASSERT_EQ(added.size(), 2U);
  EXPECT_EQ(added[0].lanes, (std::vector<std::int64_t>{0, 1, 6, 7}));
}

TEST(Taps, ConcatenatedMapsAreReadWhereTheyLie) {
  const Graph graph = selftest::concat_network();
  const ChannelSpaces spaces(graph);
  EXPECT_EQ(taps(graph, "left", TapStage::relu), (Names{"left.relu"}));
  EXPECT_EQ(taps(graph, "right", TapStage::relu), (Names{"both.relu"}));
  const auto right = taps_of(graph, spaces, space_called(spaces, "right"), TapStage::relu);
  EXPECT_EQ(right[0].lanes, (std::vector<std::int64_t>{4, 5, 6, 7, 8, 9}));
}

TEST(Taps, WithoutAnActivationTheLastNodeBeforeTheWayEnds) {
  // flatten shows every channel once a position, so the walk stops before it.
  EXPECT_EQ(taps(selftest::flat_network(), "conv2", TapStage::relu), (Names{"conv2"}));
  EXPECT_EQ(taps(selftest::flat_network(), "hidden", TapStage::relu), (Names{"hidden.relu"}));
  // No batch norm before the activation.
  EXPECT_EQ(taps(selftest::flat_network(), "conv1", TapStage::bn), (Names{"conv1"}));

  selftest::GraphBuilder b;  // a branch, and then further filters, come before any activation
  const NodeId stem = b.conv_bn("stem", b.x, 4, 3);
  const NodeId left = b.conv_bn("left", stem, 4, 3);
  const NodeId right = b.conv_bn("right", b.conv_bn("middle", stem, 5, 1), 4, 3);
  b.head(b.graph.add("sum", "add", {left, right}));
  EXPECT_EQ(taps(b.graph, "stem", TapStage::relu), (Names{"stem.bn"}));
  EXPECT_EQ(taps(b.graph, "middle", TapStage::relu), (Names{"middle.bn"}));
}

TEST(Taps, DepthwiseFiltersArePassedOver) {
  EXPECT_EQ(taps(selftest::grouped_network(), "expand", TapStage::relu), (Names{"expand.relu"}));
}

TEST(Taps, NormalizationsOfASpace) {
  const Graph graph = selftest::small_resnet();
  const ChannelSpaces spaces(graph);
  Names names;
  for (const Tap& tap : normalizations_of(graph, spaces, space_called(spaces, "block2.shortcut"))) {
    names.push_back(graph.node(tap.node).name);
  }
  EXPECT_EQ(names, (Names{"block2.shortcut.bn", "block2.conv2.bn"}));
  const Graph flat = selftest::flat_network();
  EXPECT_TRUE(normalizations_of(flat, ChannelSpaces(flat), 0).empty());
}

Names prunable(const Graph& graph, PruneScope scope, const Names& keep = {}) {
  const ChannelSpaces spaces(graph);
  Names names;
  for (const std::int64_t s : prunable_spaces(graph, spaces, scope, keep))
    names.push_back(spaces.space(s).name);
  return names;
}

TEST(Scope, AllButTheClassScores) {
  EXPECT_EQ(prunable(selftest::small_vgg(), PruneScope::all), (Names{"conv1", "conv2"}));
  EXPECT_EQ(prunable(selftest::small_resnet(), PruneScope::all),
            (Names{"stem", "block1.conv1", "block2.shortcut", "block2.conv1"}));
}

TEST(Scope, InnerLeavesEveryTrunk) {
  EXPECT_EQ(prunable(selftest::small_vgg(), PruneScope::inner), (Names{"conv1", "conv2"}));
  EXPECT_EQ(prunable(selftest::small_resnet(), PruneScope::inner), (Names{"block1.conv1", "block2.conv1"}));
  EXPECT_EQ(prunable(selftest::option_a_resnet(), PruneScope::inner),
            (Names{"block1.conv1", "block2.conv1", "block3.conv1"}));
  // Side by side is no join.
  EXPECT_EQ(prunable(selftest::concat_network(), PruneScope::inner),
            (Names{"stem", "left", "right", "after"}));
}

TEST(Scope, KeepsByTheNameOfAnyProducer) {
  EXPECT_EQ(prunable(selftest::small_resnet(), PruneScope::all, {"block2.conv2"}),
            (Names{"stem", "block1.conv1", "block2.conv1"}));
  EXPECT_EQ(prunable(selftest::small_resnet(), PruneScope::all, {"*.conv1"}),
            (Names{"stem", "block2.shortcut"}));
  EXPECT_THROW((void)prunable(selftest::small_vgg(), PruneScope::all, {"conv3"}), Error);
  EXPECT_THROW((void)prunable(selftest::small_vgg(), PruneScope::all, {"conv*"}), Error);
}

}  // namespace
}  // namespace secateur
