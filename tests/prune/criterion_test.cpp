// Criteria on statistics written down by hand.
#include "secateur/prune/criterion.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {
namespace {

SpaceStatistics statistics() {
  SpaceStatistics s;
  s.name = "conv";
  s.space = 3;
  s.width = 3;
  // Means 0.1, 0.3, 0.2 over ten weights and 5, 1, 3 over two: normalised 0, 1, 0.5 and 1, 0, 0.5.
  s.producers = {{"conv", 10, {1, 3, 2}, {4, 2, 3}, {}}, {"shortcut", 2, {10, 2, 6}, {1, 9, 1}, {}}};
  s.redundancy = {0.2, 0.6, 0.4};
  s.norm_scales = {{0.5, 0.1, 0.3}};
  s.taylor = {3, 1, 2};
  return s;
}

SpaceStatistics single_producer() {
  SpaceStatistics s = statistics();
  s.producers.pop_back();
  return s;
}

void expect_scores(std::string_view criterion, const SpaceStatistics& space,
                   const std::vector<double>& expected, ProducerReduction reduction = ProducerReduction::mean,
                   CriterionContext context = {}) {
  const auto scores = make_criterion(criterion, {.reduction = reduction})->score(space, context);
  ASSERT_EQ(scores.size(), expected.size()) << criterion;
  for (std::size_t i = 0; i < scores.size(); ++i)
    EXPECT_NEAR(scores[i], expected[i], 1e-12) << criterion << " " << i;
}

TEST(Criterion, Unified) {
  // 0.8 * {0, 1, 0.5} + 0.3 * (1 - {0, 1, 0.5})
  expect_scores("unified", single_producer(), {0.3, 0.8, 0.55}, {}, {.alpha = 0.8, .beta = 0.3});
}

TEST(Criterion, ReductionsOverProducers) {
  expect_scores("l1", single_producer(), {0, 1, 0.5});
  // {0, 1, 0.5} and {1, 0, 0.5} cancel in the mean; the other producer alone would turn the order round.
  expect_scores("l1", statistics(), {0, 0, 0});
  expect_scores("l1", statistics(), {0, 0, 0}, ProducerReduction::sum);
  expect_scores("l1", statistics(), {1, 1, 0}, ProducerReduction::max);
  expect_scores("l1", statistics(), {0, 0, 1}, ProducerReduction::min);
}

TEST(Criterion, L2) { expect_scores("l2", single_producer(), {1, 0, 0.5}); }

TEST(Criterion, CorrelationKeepsTheLeastRedundant) {
  expect_scores("correlation", statistics(), {1, 0, 0.5});
}

TEST(Criterion, BatchNormScale) {
  expect_scores("bn_scale", statistics(), {1, 0, 0.5});
  SpaceStatistics none = statistics();
  none.norm_scales.clear();
  EXPECT_THROW((void)make_criterion("bn_scale", {})->score(none, {}), Error);
}

TEST(Criterion, Taylor) { expect_scores("taylor", statistics(), {1, 0, 0.5}); }

TEST(Criterion, GeometricMedianDropsWhatTheOthersRepresent) {
  SpaceStatistics s = single_producer();
  // On a line at 0, 3, 1, each with a second weight of 4: distances sum to 4, 5, 3.
  s.producers[0].weights_per_filter = 2;
  s.producers[0].weights = {0, 4, 3, 4, 1, 4};
  expect_scores("fpgm", s, {0.5, 1, 0});
  // A duplicate and its twin lie nearest to the rest.
  s.producers[0].weights = {1, 4, 1, 4, 9, 4};
  expect_scores("fpgm", s, {0, 0, 1});
  s.producers[0].weights.clear();
  EXPECT_THROW((void)make_criterion("fpgm", {})->score(s, {}), Error);
}

TEST(Criterion, LampComparesWithTheLargerOnes) {
  // Squared norms 16, 4, 9: 16/16, 4/29, 9/25. With the shortcut's 1, 81, 1: 17, 85, 10.
  expect_scores("lamp", single_producer(), {1, 4.0 / 29, 9.0 / 25});
  expect_scores("lamp", statistics(), {17.0 / 102, 1, 10.0 / 112});
  SpaceStatistics dead = single_producer();
  dead.producers[0].l2 = {0, 0, 2};
  expect_scores("lamp", dead, {0, 0, 1});
  // Of equal norms the first is the larger one.
  dead.producers[0].l2 = {2, 2, 2};
  expect_scores("lamp", dead, {1, 1.0 / 2, 1.0 / 3});
}

TEST(Criterion, CappedL1CountsLargeWeightsLess) {
  SpaceStatistics s = single_producer();
  s.producers[0].weights_per_filter = 2;
  // Sizes sorted 0, 1, 1, 2, 2, 8; the 0.75-quantile is the fourth, 2. Sums 2 + 2, 9 + 3, 3 + 3, halved.
  s.producers[0].weights = {-2, 0, 8, 1, 1, -2};
  expect_scores("capped_l1", s, {0, 1, 0.25});
}

TEST(Criterion, ActivationsOfMaps) {
  SpaceStatistics s = statistics();
  s.zero_fraction = {0.9, 0.1, 0.5};
  s.mean_activation = {1, 2, 5};
  expect_scores("apoz", s, {0, 1, 0.5});
  expect_scores("activation", s, {0, 0.25, 1});
  s.zero_fraction.clear();
  EXPECT_THROW((void)make_criterion("apoz", {})->score(s, {}), Error);
}

TEST(Criterion, EqualValuesAreZero) {
  SpaceStatistics equal = single_producer();
  equal.producers[0].l1 = {2, 2, 2};
  equal.redundancy = {0.1, 0.1, 0.1};
  expect_scores("l1", equal, {0, 0, 0});
  expect_scores("unified", equal, {0.3, 0.3, 0.3}, {}, {.alpha = 0.8, .beta = 0.3});
}

TEST(Criterion, RandomIsKeyedByRoundSpaceAndSeed) {
  const auto scores = [](std::int64_t round, std::int64_t space, std::uint64_t seed) {
    SpaceStatistics s = statistics();
    s.space = space;
    return make_criterion("random", {})->score(s, {.round = round, .seed = seed});
  };
  EXPECT_EQ(scores(1, 0, 1), scores(1, 0, 1));
  EXPECT_NE(scores(1, 0, 1), scores(2, 0, 1));
  EXPECT_NE(scores(1, 0, 1), scores(1, 1, 1));
  EXPECT_NE(scores(1, 0, 1), scores(1, 0, 2));
}

TEST(Criterion, DeclaresWhatItNeeds) {
  EXPECT_FALSE(make_criterion("l1", {})->needs().redundancy);
  EXPECT_TRUE(make_criterion("unified", {})->needs().redundancy);
  EXPECT_TRUE(make_criterion("unified", {})->needs().filter_norms);
  EXPECT_TRUE(make_criterion("taylor", {})->needs().gradients);
  EXPECT_FALSE(make_criterion("random", {})->needs().filter_norms);
}

TEST(Criterion, UnknownNamesAreRefusedWithTheNearest) {
  try {
    (void)make_criterion("unifed", {});
    FAIL() << "an unknown criterion was made";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'unified'"), std::string::npos) << error.what();
  }
}

TEST(Criterion, TakesCriteriaFromOutside) {
  class First final : public Criterion {
   public:
    CriterionNeeds needs() const override { return {}; }
    std::vector<double> score(const SpaceStatistics& space,
                              const CriterionContext& /*context*/) const override {
      std::vector<double> scores(static_cast<std::size_t>(space.width), 0.0);
      scores.front() = 1;
      return scores;
    }
  };
  register_criterion("first", "keeps the first channel",
                     [](const CriterionOptions&) { return std::make_unique<First>(); });
  expect_scores("first", statistics(), {1, 0, 0});
  EXPECT_TRUE(
      std::ranges::any_of(registered_criteria(), [](const CriterionInfo& i) { return i.name == "first"; }));
  EXPECT_THROW(register_criterion("unified", "", {}), Error);
}

}  // namespace
}  // namespace secateur
