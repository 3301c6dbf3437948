// Which channels go: ties, groups, strict thresholds, and what greedy selection does with duplicates.
#include "secateur/prune/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/prune/criterion.h"

namespace secateur {
namespace {

SpaceScores scored(std::vector<double> scores, std::int64_t groups = 1) {
  SpaceStatistics statistics;
  statistics.name = "conv";
  statistics.width = static_cast<std::int64_t>(scores.size());
  statistics.groups = groups;
  return scored_space(statistics, SelectionMode::once, [&](const SpaceStatistics&) { return scores; });
}

using Members = std::vector<std::int64_t>;

TEST(Selection, TheLowestScoresGoAndIndicesStayAscending) {
  const SpaceScores space = scored({0.5, 0.1, 0.9, 0.3, 0.7});
  EXPECT_EQ(kept_members(space, 0), (Members{0, 1, 2, 3, 4}));
  EXPECT_EQ(kept_members(space, 2), (Members{0, 2, 4}));
  EXPECT_EQ(kept_members(space, 4), (Members{2}));
  EXPECT_THROW((void)kept_members(space, 5), Error);
}

TEST(Selection, OfEqualScoresTheLowerIndexIsKept) {
  const SpaceScores space = scored({0.2, 0.2, 0.9, 0.2, 0.2});
  EXPECT_EQ(kept_members(space, 1), (Members{0, 1, 2, 3}));
  EXPECT_EQ(kept_members(space, 3), (Members{0, 2}));
}

TEST(Selection, AMilderRoundRemovesAPartOfTheSame) {
  const SpaceScores space = scored({0.4, 0.2, 0.8, 0.1, 0.3, 0.2});
  for (std::int64_t k = 1; k <= 4; ++k) {
    const Members fewer = kept_members(space, k);
    const Members more = kept_members(space, k + 1);
    EXPECT_TRUE(std::includes(fewer.begin(), fewer.end(), more.begin(), more.end())) << k;
  }
}

TEST(Selection, StrictRemovesOnlyWhatIsBelowTheKthSmallest) {
  // K = 3: the threshold is 0.3, and 0.1 and 0.2 lie below it.
  EXPECT_EQ(kept_members_strict(scored({0.5, 0.1, 0.3, 0.2, 0.7}), 3), (Members{0, 2, 4}));
  // With ties at the threshold all of them stay.
  EXPECT_EQ(kept_members_strict(scored({0.2, 0.1, 0.2, 0.2, 0.7}), 3), (Members{0, 2, 3, 4}));
  EXPECT_EQ(kept_members_strict(scored({0.2, 0.1, 0.3}), 1), (Members{0, 1, 2}));
  EXPECT_EQ(kept_members_strict(scored({0.2, 0.1, 0.3}), 0), (Members{0, 1, 2}));
}

TEST(Selection, GroupsLoseEquallyMany) {
  // Two groups of three; the four lowest scores all lie in the first and the last place of the second.
  const SpaceScores space = scored({0.1, 0.2, 0.3, 0.9, 0.8, 0.25}, 2);
  EXPECT_EQ(kept_members(space, 2), (Members{1, 2, 3, 4}));
  EXPECT_EQ(kept_members(space, 4), (Members{2, 3}));
  EXPECT_THROW((void)kept_members(space, 3), Error);
}

TEST(Selection, ScoresThatAreNoNumbersAreRefused) {
  EXPECT_THROW((void)scored({0.1, std::nan(""), 0.2}), Error);
}

// Four maps: 0 and 1 the same, 2 and 3 unlike each other and them. All filters are equally large.
SpaceStatistics with_duplicates() {
  SpaceStatistics s;
  s.name = "conv";
  s.width = 4;
  s.producers = {{"conv", 9, {1, 1, 1, 1}, {1, 1, 1, 1}, {}}};
  s.images = 1;
  s.taps = 1;
  s.pairwise = {1.0, 1.0, 0.0, 0.3,  //
                1.0, 1.0, 0.0, 0.3,  //
                0.0, 0.0, 1.0, 0.2,  //
                0.3, 0.3, 0.2, 1.0};
  s.redundancy = {1.3 / 3, 1.3 / 3, 0.2 / 3, 0.8 / 3};
  return s;
}

TEST(Selection, OnceRemovesBothDuplicatesGreedyOnlyOne) {
  const auto criterion = make_criterion("correlation", {});
  const auto score = [&](const SpaceStatistics& s) { return criterion->score(s, {}); };
  const SpaceStatistics statistics = with_duplicates();
  EXPECT_EQ(kept_members(scored_space(statistics, SelectionMode::once, score), 2), (Members{2, 3}));
  // Without 1 the redundancy is 0.15 for 0, 0.1 for 2 and 0.25 for 3: now 3 is the most redundant.
  const SpaceScores greedy = scored_space(statistics, SelectionMode::greedy, score);
  EXPECT_EQ(greedy.order, (Members{1, 3, 2}));
  EXPECT_EQ(kept_members(greedy, 2), (Members{0, 2}));
  EXPECT_EQ(kept_members(greedy, 1), (Members{0, 2, 3}));
}

TEST(Selection, GreedyNeedsThePairs) {
  SpaceStatistics statistics = with_duplicates();
  statistics.pairwise.clear();
  const auto criterion = make_criterion("correlation", {});
  EXPECT_THROW((void)scored_space(statistics, SelectionMode::greedy,
                                  [&](const SpaceStatistics& s) { return criterion->score(s, {}); }),
               Error);
}

}  // namespace
}  // namespace secateur
