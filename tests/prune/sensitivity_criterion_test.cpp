// group_norm, snip and obd on statistics written down by hand.
#include <gtest/gtest.h>

#include "secateur/core/error.h"
#include "secateur/prune/criterion.h"

namespace secateur {
namespace {

void expect_scores(std::string_view criterion, const SpaceStatistics& space,
                   const std::vector<double>& expected) {
  const auto scores = make_criterion(criterion, {})->score(space, {});
  ASSERT_EQ(scores.size(), expected.size()) << criterion;
  for (std::size_t i = 0; i < scores.size(); ++i)
    EXPECT_NEAR(scores[i], expected[i], 1e-12) << criterion << " " << i;
}

SpaceStatistics space_of(std::int64_t width) {
  SpaceStatistics s;
  s.name = "conv";
  s.width = width;
  return s;
}

TEST(GroupNorm, AddsUpWhatAChannelTouchesWithoutShifts) {
  SpaceStatistics s = space_of(4);
  // The second is dead; the third is the first twice as large; the fourth is its duplicate.
  s.coupled = {{"conv.weight", ParameterKind::weight, false, {4, 0, 16, 4}},
               {"conv.bias", ParameterKind::bias, false, {50, 90, 10, 20}},
               {"bn.scale", ParameterKind::norm_scale, false, {1, 0, 4, 1}},
               {"bn.shift", ParameterKind::norm_shift, false, {7, 8, 9, 1}},
               {"next.weight", ParameterKind::weight, true, {3, 0, 12, 3}}};
  // Sums 8, 0, 32, 8, of mean 12.
  expect_scores("group_norm", s, {8.0 / 12, 0, 32.0 / 12, 8.0 / 12});
  // The reading layer alone changes the order.
  s.coupled.back().squares = {100, 0, 0, 0};
  expect_scores("group_norm", s, {105 / 32.5, 0, 20 / 32.5, 5 / 32.5});
}

TEST(GroupNorm, NothingButZerosIsZero) {
  SpaceStatistics s = space_of(2);
  s.coupled = {{"conv.weight", ParameterKind::weight, false, {0, 0}}};
  expect_scores("group_norm", s, {0, 0});
  s.coupled.clear();
  EXPECT_THROW((void)make_criterion("group_norm", {})->score(s, {}), Error);
}

TEST(GroupNorm, FollowsTheSurvivors) {
  SpaceStatistics s = space_of(3);
  s.coupled = {{"conv.weight", ParameterKind::weight, false, {1, 5, 3}}};
  expect_scores("group_norm", restricted(s, {0, 2}), {0.5, 1.5});
}

SpaceStatistics weighted() {
  SpaceStatistics s = space_of(4);
  FilterStatistics& filters = s.producers.emplace_back();
  filters.node = "conv";
  filters.weights_per_filter = 2;
  // The second is dead; the third is the first times -3 under the same gradients; the fourth its duplicate.
  filters.weights = {1, -2, 0, 0, -3, 6, 1, -2};
  filters.gradients = {0.5, 0.25, 9, 9, 0.5, 0.25, 0.5, 0.25};
  filters.squared_gradients = {4, 1, 9, 9, 4, 1, 4, 1};
  return s;
}

TEST(Snip, IsTheSumOfWeightTimesGradientBySize) {
  // |1 * 0.5| + |-2 * 0.25|: signs do not cancel.
  expect_scores("snip", weighted(), {1, 0, 3, 1});
}

TEST(Obd, IsHalfTheFisherTimesTheSquaredWeight) {
  // (4 * 1 + 1 * 4) / 2
  expect_scores("obd", weighted(), {4, 0, 36, 4});
}

TEST(Sensitivity, ProducersOfATrunkAddUp) {
  SpaceStatistics s = weighted();
  s.producers.push_back({"shortcut", 1, {}, {}, {2, 3, 0, 1}, {1, -1, 5, 0}, {1, 2, 5, 0}, {}});
  expect_scores("snip", s, {3, 3, 3, 1});
  expect_scores("obd", s, {4 + 2, 9, 36, 4});
  expect_scores("snip", restricted(s, {0, 3}), {3, 1});
}

TEST(Sensitivity, WithoutGradientsIsRefused) {
  SpaceStatistics s = weighted();
  s.producers[0].gradients.clear();
  s.producers[0].squared_gradients.clear();
  EXPECT_THROW((void)make_criterion("snip", {})->score(s, {}), Error);
  EXPECT_THROW((void)make_criterion("obd", {})->score(s, {}), Error);
}

TEST(Sensitivity, DeclaresWhatItNeeds) {
  EXPECT_TRUE(make_criterion("group_norm", {})->needs().coupled);
  EXPECT_TRUE(make_criterion("snip", {})->needs().weight_gradients);
  EXPECT_FALSE(make_criterion("snip", {})->needs().weight_fisher);
  EXPECT_TRUE(make_criterion("obd", {})->needs().weight_fisher);
}

}  // namespace
}  // namespace secateur
