// Criteria that choose among sets of filters (corrnet, prf, hbfp), and what records how filters move.
#include <gtest/gtest.h>

#include <cmath>

#include "secateur/core/error.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/norm_history.h"
#include "secateur/prune/selection.h"
#include "selftest/prune_graphs.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::WholeModel;

SpaceStatistics space_of(std::int64_t width) {
  SpaceStatistics s;
  s.name = "conv";
  s.width = width;
  return s;
}

// What goes first comes first; the last to stay is not in it.
std::vector<std::int64_t> removal_order(std::string_view criterion, const SpaceStatistics& space,
                                        QuirkMode quirks = QuirkMode::intended) {
  const auto made = make_criterion(criterion, {.quirks = quirks});
  return scored_space(space, SelectionMode::once,
                      [&](const SpaceStatistics& s) { return made->score(s, {}); })
      .order;
}

using Order = std::vector<std::int64_t>;

SpaceStatistics correlated() {
  SpaceStatistics s = space_of(4);
  // 0 and 3 are duplicates; 1 is like 2, less so; 3 is a little more like the rest than 0.
  s.pairwise = {1.0, 0.1, 0.2, 1.0,  //
                0.1, 1.0, 0.7, 0.2,  //
                0.2, 0.7, 1.0, 0.3,  //
                1.0, 0.2, 0.3, 1.0};
  s.redundancy = {1.3 / 3, 1.0 / 3, 1.2 / 3, 1.5 / 3};
  return s;
}

TEST(CorrNet, OfTwoDuplicatesOneStays) {
  // (0, 3) takes 3, (1, 2) takes 2, then (0, 1) is left: 0 is the more redundant one.
  EXPECT_EQ(removal_order("corrnet", correlated()), (Order{3, 2, 0}));
  // The mean correlation alone lets both duplicates go first.
  EXPECT_EQ(removal_order("correlation", correlated()), (Order{3, 0, 2}));
}

TEST(CorrNet, ScoresArePlacesInTheOrder) {
  const auto scores = make_criterion("corrnet", {})->score(correlated(), {});
  const std::vector<double> expected{2.0 / 3, 1, 1.0 / 3, 0};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(scores[i], expected[i], 1e-12) << i;
  SpaceStatistics one = space_of(1);
  one.pairwise = {1};
  one.redundancy = {0};
  EXPECT_EQ(make_criterion("corrnet", {})->score(one, {}), (std::vector<double>{1}));
}

TEST(CorrNet, NeedsTheCorrelationOfEveryPair) {
  EXPECT_TRUE(make_criterion("corrnet", {})->needs().pairwise);
  SpaceStatistics s = correlated();
  s.pairwise.clear();
  EXPECT_THROW((void)make_criterion("corrnet", {})->score(s, {}), Error);
}

TEST(CorrNet, GreedySelectionHasThePairsOfTheSurvivors) {
  const auto made = make_criterion("corrnet", {});
  const SpaceScores greedy = scored_space(correlated(), SelectionMode::greedy,
                                          [&](const SpaceStatistics& s) { return made->score(s, {}); });
  EXPECT_EQ(greedy.order.front(), 3);
  EXPECT_EQ(greedy.order.size(), 3U);
}

SpaceStatistics filters_of(std::vector<double> weights, std::int64_t length) {
  SpaceStatistics s = space_of(static_cast<std::int64_t>(weights.size()) / length);
  FilterStatistics& filters = s.producers.emplace_back();
  filters.node = "conv";
  filters.weights_per_filter = length;
  for (std::size_t i = 0; i < weights.size(); i += static_cast<std::size_t>(length)) {
    double sum = 0;
    for (std::size_t k = 0; k < static_cast<std::size_t>(length); ++k) sum += std::abs(weights[i + k]);
    filters.l1.push_back(sum);
  }
  filters.weights = std::move(weights);
  return s;
}

TEST(Prf, ThinsClustersFromTheLeastImportant) {
  // Two directions: 0, 2, 4 along x (sizes 1, 2, 9), 1, 3 along y (sizes 3, 2): means 4 and 2.5. y goes down
  // to one (3, then stays 1), then x (0, 2), then what is left: y's 1 before x's 4.
  const SpaceStatistics s = filters_of({1, 0, 0, 3, 2, 0, 0, 2, 9, 0}, 2);
  EXPECT_EQ(removal_order("prf", s), (Order{3, 0, 2, 1}));
  // l1 alone goes by size.
  EXPECT_EQ(removal_order("l1", s), (Order{0, 3, 2, 1}));
}

TEST(Prf, OppositeFiltersAreNoNeighbours) {
  // 0 and 3 are duplicates but for their scale, 1 is their opposite, 2 is dead. Distances: 03: 0; 01, 13: 2;
  // with 2: 1; the mean is 7 / 6, so that 2 joins the duplicates (at 1) and 1 does not (at 5 / 3). Means of
  // l1: 3 and 6.
  EXPECT_EQ(removal_order("prf", filters_of({2, 1, -4, -2, 0, 0, 4, 2}, 2)), (Order{2, 0, 3}));
}

SpaceStatistics with_history() {
  SpaceStatistics s = space_of(4);
  FilterStatistics& filters = s.producers.emplace_back();
  filters.l1 = {9, 9, 9, 9};
  // Distances: 01: 3, 02: 1 + 1, 03: 8, 12: 5, 13: 5 + 6, 23: 10; sums 6, 9, 4, 14.
  filters.l1_history = {{3, 4, 2, 7}, {3, 5, 2, 7}};
  return s;
}

TEST(Hbfp, OfThePairThatRanMostAlikeTheSmallerGoes) {
  // (0, 2) takes 2, (0, 1) takes 0, (1, 3) takes 1.
  EXPECT_EQ(removal_order("hbfp", with_history()), (Order{2, 0, 1}));
}

TEST(Hbfp, OfficialCodeTakesTheLargerWhetherTheOtherLivesOrNot) {
  // (0, 2) takes 0, (0, 1) takes 1 though 0 is gone, (1, 2) has lost its larger one, (0, 3) takes 3.
  EXPECT_EQ(removal_order("hbfp", with_history(), QuirkMode::official), (Order{0, 1, 3}));
}

TEST(Hbfp, TheHistoryDecidesAndNotTheLastNorms) {
  SpaceStatistics s = with_history();
  s.producers[0].l1_history.clear();
  s.producers[0].l1 = {1, 5, 9, 2};
  // Norms as they are stand in: (0, 3) takes 0, (1, 3) takes 3, (1, 2) takes 1.
  EXPECT_EQ(removal_order("hbfp", s), (Order{0, 3, 1}));
  s.producers[0].l1_history = {{1, 5, 9, 2}, {1, 1, 9, 30}};
  EXPECT_EQ(removal_order("hbfp", s), (Order{0, 1, 2}));
}

std::vector<SpaceStatistics> listed(const Graph& graph, const ChannelSpaces& spaces) {
  std::vector<SpaceStatistics> result;
  for (std::size_t s = 0; s < spaces.spaces().size(); ++s) {
    const ChannelSpace& space = spaces.space(static_cast<std::int64_t>(s));
    if (space.pinned) continue;
    SpaceStatistics& entry = result.emplace_back(space_of(space.width));
    entry.name = space.name;
    entry.space = static_cast<std::int64_t>(s);
    for (const SpaceProducer& producer : space.producers)
      entry.producers.emplace_back().node = graph.node(producer.node).name;
  }
  return result;
}

TEST(NormHistory, RecordsEveryEpochInTheOrderOfTheMembersAndIsSaved) {
  WholeModel whole(selftest::option_a_resnet(), DeviceKind::reference);
  const ChannelSpaces spaces(whole.model.graph());
  NormHistory history;
  history.record(whole.model, spaces, *whole.stream);
  const std::int64_t p = whole.model.find_parameter("block2.conv2.weight");
  std::vector<double> weights = whole.model.read(p, *whole.stream);
  for (double& weight : weights) weight *= -2;
  whole.model.write(p, weights, *whole.stream);
  history.record(whole.model, spaces, *whole.stream);

  StateTree tree;
  history.save(StateWriter(tree));
  NormHistory restored;
  restored.restore(StateReader(tree));
  auto statistics = listed(whole.model.graph(), spaces);
  restored.fill(spaces, statistics);
  std::size_t doubled = 0;
  for (const SpaceStatistics& space : statistics) {
    for (std::size_t i = 0; i < space.producers.size(); ++i) {
      const FilterStatistics& producer = space.producers[i];
      ASSERT_EQ(producer.l1_history.size(), 2U) << producer.node;
      const double factor = producer.node == "block2.conv2" ? 2 : 1;
      if (factor > 1) ++doubled;
      const auto& channels = spaces.space(space.space).producers[i].channels;
      const std::vector<double> now =
          whole.model.read(whole.model.find_parameter(producer.node + ".weight"), *whole.stream);
      const std::size_t rows = static_cast<std::size_t>(
          whole.model
              .parameters()[static_cast<std::size_t>(whole.model.find_parameter(producer.node + ".weight"))]
              .spec.shape[0]);
      const std::size_t length = now.size() / rows;
      for (std::size_t m = 0; m < channels.size(); ++m) {
        double l1 = 0;
        for (std::size_t k = 0; k < length; ++k)
          l1 += std::abs(now[static_cast<std::size_t>(channels[m]) * length + k]);
        EXPECT_NEAR(producer.l1_history[1][m], l1, 1e-12) << producer.node;
        EXPECT_NEAR(producer.l1_history[0][m], l1 / factor, 1e-12) << producer.node;
      }
    }
  }
  EXPECT_GE(doubled, 2U) << "block2.conv2 makes channels of several spaces";
  restored.clear();
  restored.fill(spaces, statistics);
  EXPECT_TRUE(statistics[0].producers[0].l1_history.empty());
}

TEST(NormHistory, NothingRecordedIsNothingRestored) {
  StateTree tree;
  NormHistory().save(StateWriter(tree));
  NormHistory restored;
  EXPECT_NO_THROW(restored.restore(StateReader(tree)));
  EXPECT_NO_THROW(restored.restore(StateReader(StateTree{})));
}

}  // namespace
}  // namespace secateur
