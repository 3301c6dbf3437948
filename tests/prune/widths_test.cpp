// Widths of 15 rounds by every rounding, against tables made by hand, and the modes.
#include "secateur/prune/widths.h"

#include <gtest/gtest.h>

#include <cmath>

#include "secateur/core/error.h"

namespace secateur {
namespace {

SpaceScores space(std::int64_t width, std::int64_t groups = 1) {
  SpaceScores s;
  s.name = "conv";
  s.width = width;
  s.groups = groups;
  return s;
}

// Stored widths after each round at one rate.
std::vector<std::int64_t> widths(const WidthOptions& options, std::int64_t width, double rate, int rounds,
                                 std::int64_t groups = 1) {
  std::vector<SpaceScores> spaces{space(width, groups)};
  WidthTracker tracker(options, rounds, spaces);
  std::vector<std::int64_t> result;
  for (int t = 1; t <= rounds; ++t) {
    const std::vector<double> rates{rate};
    const auto steps = tracker.propose(spaces, rates, t);
    EXPECT_EQ(steps[0].before, spaces[0].width);
    tracker.accept(spaces, steps);
    spaces[0].width = steps[0].after;
    result.push_back(steps[0].after);
  }
  return result;
}

// 16 * 0.95^t: 15.20 14.44 13.72 13.03 12.38 11.76 11.17 10.61 10.08 9.58 9.10 8.65 8.21 7.80 7.41
TEST(Widths, CarryFollowsTheRealWidth) {
  EXPECT_EQ(widths({}, 16, 0.05, 15),
            (std::vector<std::int64_t>{15, 14, 14, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8, 7}));
}

// K = ceil(0.05 N) = 1 from 16 down to 1.
TEST(Widths, CeilRemovesAtLeastOneARound) {
  EXPECT_EQ(widths({.rounding = Rounding::ceil}, 16, 0.05, 15),
            (std::vector<std::int64_t>{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}));
}

// K - 1 go: at 5% of 16 none ever; at 30% K = 5, 4, 3, 3, 2, 2, 2, 2, 2, then 1 for good.
TEST(Widths, StrictRemovesOneFewer) {
  EXPECT_EQ(widths({.rounding = Rounding::strict}, 16, 0.05, 15), std::vector<std::int64_t>(15, 16));
  EXPECT_EQ(widths({.rounding = Rounding::strict}, 16, 0.3, 15),
            (std::vector<std::int64_t>{12, 9, 7, 5, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}));
}

// 64 * 0.7^t: 44.8 31.36 21.95 15.37 10.76; ceil: K = 20, 14, 9, 7, 5.
TEST(Widths, CarryAndCeilPartAtLargeRates) {
  EXPECT_EQ(widths({}, 64, 0.3, 5), (std::vector<std::int64_t>{45, 31, 22, 15, 11}));
  EXPECT_EQ(widths({.rounding = Rounding::ceil}, 64, 0.3, 5), (std::vector<std::int64_t>{44, 30, 21, 14, 9}));
}

TEST(Widths, CeilIsNotFooledByRoundingErrors) {
  // 0.3 * 10 is 3.0000000000000004 in floating point.
  EXPECT_EQ(widths({.rounding = Rounding::ceil}, 10, 0.3, 1), (std::vector<std::int64_t>{7}));
  EXPECT_EQ(widths({.rounding = Rounding::ceil}, 100, 0.07, 1), (std::vector<std::int64_t>{93}));
}

TEST(Widths, CumulativeRunsInAStraightLine) {
  // 20 (1 - 0.4 t / 4): 18, 16, 14, 12.
  EXPECT_EQ(widths({.mode = WidthMode::cumulative}, 20, 0.4, 4), (std::vector<std::int64_t>{18, 16, 14, 12}));
}

TEST(Widths, CumulativeNeverGrowsAgain) {
  std::vector<SpaceScores> spaces{space(20)};
  WidthTracker tracker({.mode = WidthMode::cumulative}, 2, spaces);
  const std::vector<double> high{0.5};
  const std::vector<double> low{0.1};
  const auto first = tracker.propose(spaces, high, 1);
  EXPECT_EQ(first[0].after, 15);
  tracker.accept(spaces, first);
  spaces[0].width = 15;
  EXPECT_EQ(tracker.propose(spaces, low, 2)[0].after, 15);  // 20 (1 - 0.1) = 18
}

TEST(Widths, RoundToNearestMultipleNeverUp) {
  // 64 * 0.9^t: 57.6 51.84 46.66 41.99 37.79; multiples of 8: 56 (nearest to 57.6), 48 (not 56: 51.84 is
  // nearer to 48)
  EXPECT_EQ(widths({.min_channels = 8, .round_to = 8}, 64, 0.1, 5),
            (std::vector<std::int64_t>{56, 48, 48, 40, 40}));
  // 12 is no multiple: 11.4 and 10.8 are nearest to 8, and 13 would have been up.
  EXPECT_EQ(widths({.min_channels = 8, .round_to = 8}, 12, 0.05, 2), (std::vector<std::int64_t>{8, 8}));
  // Below the least width nothing goes.
  EXPECT_EQ(widths({.min_channels = 8, .round_to = 8}, 6, 0.5, 2), (std::vector<std::int64_t>{6, 6}));
}

TEST(Widths, MinChannelsHolds) {
  EXPECT_EQ(widths({.min_channels = 5}, 8, 0.5, 3), (std::vector<std::int64_t>{5, 5, 5}));
  EXPECT_EQ(widths({.rounding = Rounding::ceil, .min_channels = 5}, 8, 0.5, 3),
            (std::vector<std::int64_t>{5, 5, 5}));
}

TEST(Widths, GroupsLoseAlike) {
  // 12 channels in 3 groups, 10%: 10.8 -> 12, 9.72 -> 9, 8.748 -> 9, 7.87 -> 9, 7.09 -> 6
  EXPECT_EQ(widths({}, 12, 0.1, 5, 3), (std::vector<std::int64_t>{12, 9, 9, 9, 6}));
  EXPECT_EQ(widths({.rounding = Rounding::ceil}, 12, 0.1, 3, 3), (std::vector<std::int64_t>{9, 6, 3}));
}

TEST(Widths, ScaleIsAPowerOfWhatIsKept) {
  const std::vector<SpaceScores> spaces{space(100)};
  const WidthTracker tracker({.mode = WidthMode::target}, 5, spaces);
  const std::vector<double> rates{0.1};
  EXPECT_NEAR(tracker.propose(spaces, rates, 1, 3)[0].target, 100 * std::pow(0.9, 3), 1e-9);
}

TEST(Widths, StateSurvives) {
  std::vector<SpaceScores> spaces{space(16)};
  WidthTracker tracker({}, 15, spaces);
  const std::vector<double> rates{0.05};
  tracker.accept(spaces, tracker.propose(spaces, rates, 1));
  StateTree tree;
  tracker.save(StateWriter(tree));
  WidthTracker other({}, 15, spaces);
  EXPECT_NE(other.propose(spaces, rates, 2), tracker.propose(spaces, rates, 2));
  other.restore(StateReader(tree));
  EXPECT_EQ(other.propose(spaces, rates, 2), tracker.propose(spaces, rates, 2));
}

TEST(Widths, ASpaceThatAppearsLaterCountsFromItsWidthThen) {
  std::vector<SpaceScores> spaces{space(16)};
  WidthTracker tracker({}, 15, {});
  const std::vector<double> rates{0.05};
  tracker.accept(spaces, tracker.propose(spaces, rates, 1));
  EXPECT_NEAR(tracker.propose(spaces, rates, 2)[0].target, 16 * 0.95 * 0.95, 1e-12);
}

TEST(Widths, RefusesRatesOutOfRange) {
  const std::vector<SpaceScores> spaces{space(16)};
  const WidthTracker tracker({}, 15, spaces);
  EXPECT_THROW((void)tracker.propose(spaces, std::vector<double>{1.5}, 1), Error);
  EXPECT_THROW((void)tracker.propose(spaces, std::vector<double>{-0.1}, 1), Error);
  EXPECT_THROW((void)tracker.propose(spaces, std::vector<double>{0.1, 0.1}, 1), Error);
}

}  // namespace
}  // namespace secateur
