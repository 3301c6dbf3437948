// Which channels live and die together, worked out by hand for small networks.
#include "secateur/graph/channel_space.h"

#include <gtest/gtest.h>

#include "graph/graph_builder.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

using test::List;

std::vector<std::string> names(const ChannelSpaces& spaces) {
  std::vector<std::string> result;
  for (const ChannelSpace& space : spaces.spaces()) result.push_back(space.name);
  return result;
}

std::vector<NodeId> producers(const ChannelSpace& space) {
  std::vector<NodeId> result;
  for (const SpaceProducer& producer : space.producers) result.push_back(producer.node);
  return result;
}

std::string closing_error(const ChannelSpaces& spaces, KeptMembers kept) {
  try {
    static_cast<void>(spaces.closed(std::move(kept)));
  } catch (const Error& error) {
    return error.what();
  }
  return "(no error)";
}

TEST(ChannelSpaces, PlainNetwork) {
  test::Builder b;
  const NodeId first = b.conv("a", b.image(), 4);
  const NodeId normal = b.graph.add("a.bn", "batch_norm", {first});
  const NodeId pool = b.graph.add("pool", "max_pool", {b.relu(normal)}, {{"kernel", std::int64_t{2}}});
  b.classifier(b.conv("b", pool, 6), 5);
  const ChannelSpaces spaces(b.graph);
  EXPECT_EQ(names(spaces), (std::vector<std::string>{"a", "b", "fc"}));
  EXPECT_EQ(spaces.space(0).width, 4);
  EXPECT_FALSE(spaces.space(1).pinned);
  EXPECT_TRUE(spaces.space(2).pinned);
  EXPECT_EQ(spaces.lanes(pool)[3], (ChannelMember{0, 3}));
  EXPECT_EQ(spaces.lanes(0)[0], ChannelMember{});  // the image has no filters
  EXPECT_EQ(spaces.space_of_producer(normal), -1);
}

TEST(ChannelSpaces, ResidualTrunkIsOneSpace) {
  test::Builder b;
  const NodeId stem = b.conv("stem", b.image(), 4);
  const NodeId inner = b.conv("inner", b.relu(stem), 7);
  const NodeId outer = b.conv("outer", b.relu(inner), 4);
  b.classifier(b.graph.add("sum", "add", {outer, stem}), 3);
  const ChannelSpaces spaces(b.graph);
  EXPECT_EQ(names(spaces), (std::vector<std::string>{"stem", "inner", "fc"}));
  EXPECT_EQ(producers(spaces.space(0)), (std::vector<NodeId>{stem, outer}));
  EXPECT_EQ(spaces.space(0).producers[1].channels, (List{0, 1, 2, 3}));
}

TEST(ChannelSpaces, PaddedTrunkFallsIntoParts) {
  test::Builder b;
  const NodeId stem = b.conv("stem", b.image(), 2);
  const NodeId wide = b.conv("wide", b.relu(stem), 4);
  const NodeId pad = b.graph.add("pad", "pad_channels", {stem}, {{"table", List{-1, 0, 1, -1}}});
  const NodeId sum = b.graph.add("sum", "add", {wide, pad});
  b.classifier(sum, 3);
  const ChannelSpaces spaces(b.graph);
  EXPECT_EQ(names(spaces), (std::vector<std::string>{"stem", "wide", "fc"}));
  EXPECT_EQ(producers(spaces.space(0)), (std::vector<NodeId>{stem, wide}));
  EXPECT_EQ(spaces.space(0).producers[1].channels, (List{1, 2}));
  EXPECT_EQ(spaces.space(1).producers[0].channels, (List{0, 3}));
  EXPECT_EQ(spaces.lanes(pad)[0], spaces.lanes(wide)[0]);

  KeptMembers kept = spaces.keep_all();
  kept[0] = {1};
  EXPECT_EQ(spaces.kept_lanes(stem, kept), (List{1}));
  EXPECT_EQ(spaces.kept_lanes(sum, kept), (List{0, 2, 3}));
}

TEST(ChannelSpaces, PaddingThatNobodyFillsStays) {
  test::Builder b;
  const NodeId stem = b.conv("stem", b.image(), 2);
  const NodeId pad = b.graph.add("pad", "pad_channels", {stem}, {{"table", List{-1, 1, 0}}});
  b.classifier(pad, 3);
  const ChannelSpaces spaces(b.graph);
  KeptMembers kept = spaces.keep_all();
  kept[0] = {0};
  EXPECT_EQ(spaces.lanes(pad)[0].space, -1);
  EXPECT_EQ(spaces.kept_lanes(pad, kept), (List{0, 2}));
}

TEST(ChannelSpaces, DepthwisePassesOn) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 4);
  const NodeId depthwise = b.conv("depthwise", a, 4, 4);
  b.classifier(depthwise, 3);
  const ChannelSpaces spaces(b.graph);
  EXPECT_EQ(names(spaces), (std::vector<std::string>{"a", "fc"}));
  EXPECT_EQ(spaces.lanes(depthwise)[2], (ChannelMember{0, 2}));
}

TEST(ChannelSpaces, GroupsKeepEqualCounts) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 4);
  b.classifier(b.conv("grouped", a, 6, 2), 3);
  const ChannelSpaces spaces(b.graph);
  EXPECT_EQ(spaces.space(0).groups, 2);
  EXPECT_EQ(spaces.space(1).groups, 2);
  KeptMembers kept = spaces.keep_all();
  kept[0] = {0, 3};
  EXPECT_EQ(spaces.closed(kept)[0], (List{0, 3}));
  kept[0] = {0, 1, 3};
  EXPECT_NE(closing_error(spaces, kept).find("'a' feeds 2 groups"), std::string::npos);
}

TEST(ChannelSpaces, GroupsOverSeveralSpacesAreLeftWhole) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 2);
  const NodeId c = b.conv("c", b.image(), 2);
  b.classifier(b.conv("grouped", b.graph.add("both", "concat", {a, c}), 4, 2), 3);
  const ChannelSpaces spaces(b.graph);
  EXPECT_TRUE(spaces.space(0).pinned);
  EXPECT_TRUE(spaces.space(1).pinned);
  EXPECT_FALSE(spaces.space(2).pinned);
}

TEST(ChannelSpaces, ConcatAndFlatten) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 2);
  const NodeId c = b.conv("c", b.image(), 3);
  const NodeId both = b.graph.add("both", "concat", {c, a});
  const NodeId flat = b.graph.add("flat", "flatten", {both});
  b.graph.add("fc", "linear", {flat}, {{"out_features", std::int64_t{3}}});
  const ChannelSpaces spaces(b.graph);
  EXPECT_EQ(spaces.lanes(both)[3], (ChannelMember{0, 0}));  // after the three of c comes a
  KeptMembers kept = spaces.keep_all();
  kept[1] = {0, 2};
  EXPECT_EQ(spaces.kept_lanes(both, kept), (List{0, 2, 3, 4}));
  // Every position of the 4 x 4 map repeats the five channels.
  const List features = spaces.kept_lanes(flat, kept);
  ASSERT_EQ(features.size(), 64U);
  EXPECT_EQ(List(features.begin(), features.begin() + 6), (List{0, 2, 3, 4, 5, 7}));
}

TEST(ChannelSpaces, ScatterTakesTheBranchAlong) {
  test::Builder b;
  const NodeId trunk = b.conv("trunk", b.image(), 4);
  const NodeId branch = b.conv("branch", b.relu(trunk), 2);
  const NodeId sum = b.graph.add("sum", "scatter_add", {trunk, branch}, {{"table", List{3, 1}}});
  b.classifier(sum, 3);
  const ChannelSpaces spaces(b.graph);
  KeptMembers kept = spaces.keep_all();
  kept[0] = {0, 1, 2};
  EXPECT_EQ(spaces.closed(kept)[1], (List{1}));
  kept = spaces.keep_all();
  kept[1] = {0};
  EXPECT_EQ(spaces.closed(kept)[0], (List{0, 1, 2, 3}));
  kept = spaces.keep_all();
  kept[0] = {0, 2};  // both branch channels would have nowhere to go
  EXPECT_NE(closing_error(spaces, kept).find("every channel of 'branch'"), std::string::npos);
}

TEST(ChannelSpaces, PartsOfOneProducerHaveNamesOfTheirOwn) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 4);
  const NodeId half = b.graph.add("half", "gather_channels", {a}, {{"table", List{2, 0}}});
  const NodeId c = b.conv("c", b.image(), 2);
  const NodeId sum = b.graph.add("sum", "add", {half, c});
  b.classifier(b.graph.add("both", "concat", {a, sum}), 3);
  const ChannelSpaces spaces(b.graph);
  EXPECT_EQ(names(spaces), (std::vector<std::string>{"a+c", "a", "fc"}));
  EXPECT_EQ(spaces.space(0).producers[0].channels, (List{0, 2}));
  EXPECT_EQ(spaces.space(0).producers[1].channels, (List{1, 0}));
}

TEST(ChannelSpaces, OneFilterTwiceInAChannelIsRefused) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 2);
  const NodeId swapped = b.graph.add("swapped", "gather_channels", {a}, {{"table", List{1, 0}}});
  b.classifier(b.graph.add("sum", "add", {a, swapped}), 3);
  EXPECT_THROW(ChannelSpaces{b.graph}, Error);
}

TEST(ChannelSpaces, WhatIsTiedToTheImageStays) {
  test::Builder b;
  const NodeId a = b.conv("a", b.image(), 3);
  b.classifier(b.graph.add("sum", "add", {a, b.image()}), 2);
  const ChannelSpaces spaces(b.graph);
  EXPECT_TRUE(spaces.space(0).pinned);
}

TEST(ChannelSpaces, ImpossibleRemovalsAreNamed) {
  test::Builder b;
  b.classifier(b.conv("a", b.image(), 4), 3);
  const ChannelSpaces spaces(b.graph);
  const auto with = [&](std::size_t space, List members) {
    KeptMembers kept = spaces.keep_all();
    kept[space] = std::move(members);
    return closing_error(spaces, kept);
  };
  EXPECT_NE(with(0, {}).find("every channel of 'a'"), std::string::npos);
  EXPECT_NE(with(0, {1, 1}).find("ascending"), std::string::npos);
  EXPECT_NE(with(0, {3, 4}).find("below 4, got 4"), std::string::npos);
  EXPECT_NE(with(1, {0, 1}).find("'fc' cannot be removed"), std::string::npos);
  EXPECT_NE(closing_error(spaces, {}).find("expected 2, got 0"), std::string::npos);
  EXPECT_EQ(with(0, {1, 3}), "(no error)");
}

}  // namespace
}  // namespace secateur
