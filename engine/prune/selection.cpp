#include "secateur/prune/selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "secateur/core/error.h"

namespace secateur {
namespace {

struct Ranked {
  std::int64_t member;
  double score;
};

// The one to go first: the lowest score, of equal ones the highest index.
bool goes_before(const Ranked& a, const Ranked& b) {
  return a.score != b.score ? a.score < b.score : a.member > b.member;
}

std::int64_t group_of(const SpaceStatistics& s, std::int64_t member) { return member / (s.width / s.groups); }

void check_scores(const SpaceStatistics& statistics, const std::vector<double>& scores,
                  std::size_t expected) {
  require(scores.size() == expected, "the criterion gave {} scores for the {} channels of '{}'",
          scores.size(), expected, statistics.name);
  for (const double score : scores) {
    require(std::isfinite(score),
            "the criterion gave a score for '{}' that is no finite number: the network's weights or "
            "maps are not finite",
            statistics.name);
  }
}

void order_once(const SpaceStatistics& statistics, SpaceScores& space) {
  std::vector<std::vector<Ranked>> groups(static_cast<std::size_t>(statistics.groups));
  for (std::int64_t m = 0; m < statistics.width; ++m) {
    groups[static_cast<std::size_t>(group_of(statistics, m))].push_back(
        {m, space.scores[static_cast<std::size_t>(m)]});
  }
  for (std::vector<Ranked>& group : groups) std::ranges::sort(group, goes_before);
  const std::size_t turns = groups.front().size();
  for (std::size_t turn = 0; turn + 1 < turns; ++turn) {
    for (const std::vector<Ranked>& group : groups) {
      space.order.push_back(group[turn].member);
      space.order_scores.push_back(group[turn].score);
    }
  }
}

void order_greedily(const SpaceStatistics& statistics, const SpaceScorer& scorer, SpaceScores& space) {
  std::vector<std::int64_t> members(static_cast<std::size_t>(statistics.width));
  std::iota(members.begin(), members.end(), 0);
  const std::int64_t turns = statistics.width / statistics.groups;
  for (std::int64_t step = 0; step < (turns - 1) * statistics.groups; ++step) {
    const SpaceStatistics survivors = restricted(statistics, members);
    const std::vector<double> scores = scorer(survivors);
    check_scores(statistics, scores, members.size());
    Ranked first{-1, 0};
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (group_of(statistics, members[i]) != step % statistics.groups) continue;
      const Ranked candidate{members[i], scores[i]};
      if (first.member < 0 || goes_before(candidate, first)) first = candidate;
    }
    space.order.push_back(first.member);
    space.order_scores.push_back(first.score);
    std::erase(members, first.member);
  }
}

std::vector<std::int64_t> without(const SpaceScores& space, std::size_t removed) {
  std::vector<bool> gone(static_cast<std::size_t>(space.width), false);
  for (std::size_t i = 0; i < removed; ++i) gone[static_cast<std::size_t>(space.order[i])] = true;
  std::vector<std::int64_t> kept;
  for (std::int64_t m = 0; m < space.width; ++m) {
    if (!gone[static_cast<std::size_t>(m)]) kept.push_back(m);
  }
  return kept;
}

}  // namespace

SpaceScores scored_space(const SpaceStatistics& statistics, SelectionMode mode, const SpaceScorer& scorer) {
  SpaceScores space;
  space.name = statistics.name;
  for (const FilterStatistics& producer : statistics.producers) space.producers.push_back(producer.node);
  space.width = statistics.width;
  space.groups = statistics.groups;
  space.scores = scorer(statistics);
  check_scores(statistics, space.scores, static_cast<std::size_t>(statistics.width));
  if (mode == SelectionMode::greedy) {
    order_greedily(statistics, scorer, space);
  } else {
    order_once(statistics, space);
  }
  return space;
}

std::vector<std::int64_t> kept_members(const SpaceScores& space, std::int64_t remove) {
  require(
      remove >= 0 && remove % space.groups == 0 && remove <= static_cast<std::int64_t>(space.order.size()),
      "'{}' has {} channels in {} groups; {} of them cannot go", space.name, space.width, space.groups,
      remove);
  return without(space, static_cast<std::size_t>(remove));
}

std::vector<std::int64_t> kept_members_strict(const SpaceScores& space, std::int64_t k) {
  require(k >= 0 && k % space.groups == 0 && k <= space.width,
          "'{}' has {} channels in {} groups; {} cannot go", space.name, space.width, space.groups, k);
  const std::int64_t turns = k / space.groups;
  if (turns == 0) return without(space, 0);
  // Each group has its own threshold, the score at turn K; all lose as many as the group that loses fewest.
  std::int64_t whole_turns = turns - 1;
  for (std::int64_t g = 0; g < space.groups; ++g) {
    const auto score_at = [&](std::int64_t turn) {
      return space.order_scores[static_cast<std::size_t>(turn * space.groups + g)];
    };
    const auto known = static_cast<std::int64_t>(space.order_scores.size()) / space.groups;
    if (turns > known) continue;  // the threshold is the last survivor's score, above which nothing lies
    std::int64_t below = 0;
    while (below < turns - 1 && score_at(below) < score_at(turns - 1)) ++below;
    whole_turns = std::min(whole_turns, below);
  }
  return without(space, static_cast<std::size_t>(whole_turns * space.groups));
}

}  // namespace secateur
