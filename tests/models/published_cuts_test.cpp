// Cuts whose cost the literature states, counted as their authors count. Formulas stand in the tests, so that
// no figure rests on the cost model alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "secateur/graph/channel_space.h"
#include "secateur/graph/cost.h"
#include "secateur/graph/op.h"
#include "secateur/models/models.h"
#include "secateur/prune/pruning_plan.h"

namespace secateur {
namespace {

const models::BuildOptions kOptionA{.shortcut = "zero_padding"};

double percent(double from, double to) { return 100.0 * (to - from) / from; }
double percent(std::int64_t from, std::int64_t to) {
  return percent(static_cast<double>(from), static_cast<double>(to));
}

// The network with the widths that `width` gives each space that may be pruned.
template <class WidthOf>
Graph cut(const Graph& graph, const WidthOf& width) {
  const ChannelSpaces spaces(graph);
  std::vector<std::int64_t> widths;
  for (const ChannelSpace& space : spaces.spaces())
    widths.push_back(space.pinned ? space.width : width(space));
  return graph_with_widths(graph, spaces, widths);
}

std::int64_t weights_of(const Graph& graph) {
  std::int64_t count = 0;
  const GraphCost cost = cost_of(graph);
  for (const NodeCost& node : cost.nodes) {
    if (find_op(graph.node(node.node).op).stage() == OpStage::producer) count += node.parameters;
  }
  return count;
}

std::int64_t floor_of(double value) { return static_cast<std::int64_t>(std::floor(value + 1e-9)); }

// VGG: sum over convolutions of positions * 9 * in * out, and the head; batch norm has two parameters a
// channel.
TEST(PublishedCosts, VggToTheLastDigit) {
  const GraphCost vgg16 = cost_of(models::build("vgg16"));
  EXPECT_EQ(vgg16.macs, 313'201'664);
  EXPECT_EQ(vgg16.parameters, 14'724'042);
  const GraphCost with_head = cost_of(models::build("vgg16", {.head = 512}));
  EXPECT_EQ(with_head.macs - vgg16.macs, 512 * 512);
  EXPECT_EQ(with_head.parameters - vgg16.parameters, 512 * 512 + 512);
  // Three more convolutions: 256 at 8 x 8, 512 at 4 x 4, 512 at 2 x 2.
  const GraphCost vgg19 = cost_of(models::build("vgg19"));
  EXPECT_EQ(vgg19.macs - vgg16.macs, 9LL * (64 * 256 * 256 + 16 * 512 * 512 + 4 * 512 * 512));
  EXPECT_EQ(vgg19.parameters - vgg16.parameters, 9LL * (256 * 256 + 2 * 512 * 512) + 2 * (256 + 512 + 512));
}

TEST(PublishedCosts, ResNetToTheLastDigit) {
  EXPECT_EQ(cost_of(models::build("resnet20", kOptionA)).macs, 40'551'040);
  EXPECT_EQ(cost_of(models::build("resnet32", kOptionA)).macs, 68'862'592);
  EXPECT_EQ(cost_of(models::build("resnet56", kOptionA)).macs, 125'485'696);
  EXPECT_EQ(cost_of(models::build("resnet56", kOptionA)).parameters, 853'018);
  EXPECT_EQ(cost_of(models::build("resnet56")).macs, 125'747'840);
  EXPECT_EQ(cost_of(models::build("resnet56")).parameters, 855'770);
}

// Li et al. 2017: the first convolution of each block, by a rate per stage, but for layers named by their
// index (the stem is 1 in its count of convolutions, of which block b's first is 2 b + 2).
Graph li_resnet56(const std::vector<double>& rates, const std::vector<std::int64_t>& skipped) {
  return cut(models::build("resnet56", kOptionA), [&](const ChannelSpace& space) {
    if (!space.name.ends_with(".conv1")) return space.width;
    const std::int64_t stage = space.name[5] - '1';
    const std::int64_t index = 2 * (9 * stage + (space.name[7] - '0')) + 2;
    if (std::ranges::count(skipped, index) > 0) return space.width;
    return floor_of(static_cast<double>(space.width) * (1 - rates[static_cast<std::size_t>(stage)]));
  });
}

TEST(PublishedCosts, LiResNet56) {
  const Graph whole = models::build("resnet56", kOptionA);
  const Graph a = li_resnet56({0.1, 0.1, 0.1}, {16, 20, 38, 54});
  EXPECT_NEAR(percent(cost_of(whole).macs, cost_of(a).macs), -10.4, 0.05);
  EXPECT_NEAR(percent(weights_of(whole), weights_of(a)), -9.4, 0.05);
  const Graph b = li_resnet56({0.6, 0.3, 0.1}, {16, 18, 20, 34, 38, 54});
  EXPECT_NEAR(percent(cost_of(whole).macs, cost_of(b).macs), -27.6, 0.05);
  EXPECT_NEAR(percent(weights_of(whole), weights_of(b)), -13.8, 0.05);
}

// FilterSketch: inner convolutions at 0.6; its parameters are those of the convolutions and the classifier.
TEST(PublishedCosts, FilterSketchResNet56) {
  const Graph pruned = cut(models::build("resnet56", kOptionA), [](const ChannelSpace& space) {
    return space.name.ends_with(".conv1") ? floor_of(0.6 * static_cast<double>(space.width)) : space.width;
  });
  EXPECT_EQ(cost_of(pruned).macs, 73'360'000);
  EXPECT_NEAR(static_cast<double>(weights_of(pruned)), 0.503e6, 0.0005e6);
}

// HRank's published rates for VGG-16. Its count leaves the input channels whole, which more than doubles the
// result.
TEST(PublishedCosts, HRankVgg16) {
  const std::vector<double> rates{.95, .5, .5, .5, .5, .5, .5, .9, .9, .9, .9, .8, .8};
  const auto width = [&](const ChannelSpace& space) {
    if (!space.name.starts_with("conv")) return space.width;
    const auto index = static_cast<std::size_t>(std::stoi(space.name.substr(4)) - 1);
    return floor_of(static_cast<double>(space.width) * (1 - rates[index]));
  };
  const Graph whole = models::build("vgg16");
  const Graph pruned = cut(whole, width);
  const GraphCost published = cost_of(pruned, whole, CostCounting::output_only);
  EXPECT_EQ(published.macs, 108'560'384);
  EXPECT_NEAR(static_cast<double>(published.parameters), 2.635e6, 0.005e6);
  EXPECT_NEAR(static_cast<double>(cost_of(pruned).macs), 41.1e6, 0.05e6);
  const Graph with_head = cut(models::build("vgg16", {.head = 512}), width);
  EXPECT_NEAR(static_cast<double>(cost_of(with_head).macs), 41.1e6, 0.05e6);
  EXPECT_NEAR(static_cast<double>(cost_of(with_head).parameters), 0.75e6, 0.005e6);
}

// SFP's formula for option A, whose widths may be fractions: every output shrinks; inputs shrink in the
// second convolution of each block and in the very first block's first.
double sfp_formula(std::int64_t blocks, const std::vector<double>& kept) {
  const std::vector<double> channels{16, 32, 64};
  double macs = 1024 * 27 * kept[0];
  for (std::size_t stage = 0; stage < 3; ++stage) {
    const double positions = 1024 / std::pow(4.0, static_cast<double>(stage));
    for (std::int64_t block = 0; block < blocks; ++block) {
      double in = block > 0 || stage == 0 ? channels[stage] : channels[stage - 1];
      if (block == 0 && stage == 0) in = kept[0];
      macs += positions * 9 * kept[stage] * (in + kept[stage]);
    }
  }
  return macs + 640;
}

struct SfpCase {
  const char* name;
  std::int64_t blocks;
  double keep;
  double published;
};

class Sfp : public testing::TestWithParam<SfpCase> {};

TEST_P(Sfp, CountsAsPublished) {
  const auto [name, blocks, keep, published] = GetParam();
  const double whole = sfp_formula(blocks, {16, 32, 64});
  EXPECT_NEAR(percent(whole, sfp_formula(blocks, {16 * keep, 32 * keep, 64 * keep})), published, 0.06);

  const Graph graph = models::build(name, kOptionA);
  EXPECT_EQ(static_cast<double>(cost_of(graph).macs), whole);
  // A trunk with zero padding falls into parts of 16, 16 and 32 channels; equal shares of each are whole
  // channels where 16 * keep is, so the network is cut by the share nearest to the published one that is.
  const double share = std::round(16 * keep) / 16;
  const Graph pruned = cut(
      graph, [&](const ChannelSpace& space) { return floor_of(static_cast<double>(space.width) * share); });
  EXPECT_EQ(static_cast<double>(cost_of(pruned, graph, CostCounting::sfp).macs),
            sfp_formula(blocks, {16 * share, 32 * share, 64 * share}));
  EXPECT_LT(cost_of(pruned).macs, cost_of(pruned, graph, CostCounting::sfp).macs);
}

INSTANTIATE_TEST_SUITE_P(PublishedCosts, Sfp,
                         testing::Values(SfpCase{"resnet32", 5, 0.7, -41.5},
                                         SfpCase{"resnet32", 5, 0.6, -53.2},
                                         SfpCase{"resnet56", 9, 0.7, -41.1},
                                         SfpCase{"resnet56", 9, 0.6, -52.6}));

}  // namespace
}  // namespace secateur
