// Budgets: equal steps of log-cost, met closely, and refused where they cannot be met.
#include "secateur/prune/budget.h"

#include <gtest/gtest.h>

#include <cmath>

#include "secateur/core/error.h"
#include "secateur/prune/planner.h"

namespace secateur {
namespace {

SpaceScores space(std::string name, std::int64_t width) {
  SpaceScores s;
  s.name = std::move(name);
  s.width = width;
  for (std::int64_t i = 0; i < width; ++i)
    s.scores.push_back(static_cast<double>(i + 1) / static_cast<double>(width));
  for (std::int64_t i = 0; i + 1 < width; ++i) {
    s.order.push_back(i);
    s.order_scores.push_back(s.scores[static_cast<std::size_t>(i)]);
  }
  return s;
}

// Three layers in a chain: each costs input times output channels.
double chain_cost(const std::vector<std::int64_t>& w) {
  const std::vector<double> x(w.begin(), w.end());
  return 3 * x[0] * 4 + x[0] * x[1] * 2 + x[1] * x[2] + x[2] * 10;
}

std::vector<SpaceScores> chain() { return {space("a", 32), space("b", 64), space("c", 64)}; }

std::vector<std::int64_t> after(const std::vector<WidthStep>& steps) {
  std::vector<std::int64_t> widths;
  for (const WidthStep& step : steps) widths.push_back(step.after);
  return widths;
}

struct Rounds {
  std::vector<double> costs;  // after each round
  BudgetStatus last;
};

Rounds run_rounds(std::int64_t rounds, double budget, const std::vector<double>& rates,
                  const WidthOptions& options) {
  std::vector<SpaceScores> spaces = chain();
  WidthTracker tracker(options, rounds, spaces);
  Rounds result;
  for (std::int64_t t = 1; t <= rounds; ++t) {
    const BudgetedStep step = budgeted_step(tracker, spaces, rates, t, rounds - t + 1, budget, chain_cost);
    tracker.accept(spaces, step.steps);
    for (std::size_t l = 0; l < spaces.size(); ++l) spaces[l] = space(spaces[l].name, step.steps[l].after);
    result.costs.push_back(chain_cost(after(step.steps)));
    result.last = step.status;
  }
  return result;
}

TEST(Budget, IsMetCloselyInEqualStepsOfLogCost) {
  const double base = chain_cost({32, 64, 64});
  for (const double fraction : {0.9, 0.5, 0.2}) {
    const Rounds r = run_rounds(5, fraction * base, {0.3, 0.1, 0.2}, {.mode = WidthMode::target});
    EXPECT_TRUE(r.last.met) << fraction;
    EXPECT_TRUE(r.last.close) << fraction;
    EXPECT_LE(r.costs.back(), fraction * base);
    // The dearest channel costs 2 * 64 + 12 at first; after a round no more than one such is missing.
    for (std::size_t t = 0; t < r.costs.size(); ++t) {
      const double wanted = base * std::pow(fraction, static_cast<double>(t + 1) / 5.0);
      EXPECT_NEAR(r.costs[t], wanted, 140) << fraction << " round " << t + 1;
    }
  }
}

TEST(Budget, CloseMeansThatNoGranuleFits) {
  std::vector<SpaceScores> spaces = chain();
  const WidthTracker tracker({.mode = WidthMode::target, .min_channels = 8, .round_to = 8}, 1, spaces);
  const double budget = 0.5 * chain_cost({32, 64, 64});
  const BudgetedStep step = budgeted_step(tracker, spaces, {0.2, 0.2, 0.2}, 1, 1, budget, chain_cost);
  const std::vector<std::int64_t> widths = after(step.steps);
  EXPECT_TRUE(step.status.close);
  EXPECT_LE(chain_cost(widths), budget);
  for (std::size_t l = 0; l < widths.size(); ++l) {
    EXPECT_EQ(widths[l] % 8, 0);
    if (widths[l] == spaces[l].width) continue;
    std::vector<std::int64_t> wider = widths;
    wider[l] += 8;
    EXPECT_GT(chain_cost(wider), budget) << "layer " << l;
  }
}

TEST(Budget, ASparedLayerStaysWholeWhereTheOthersCanPay) {
  const std::vector<SpaceScores> spaces = chain();
  const WidthTracker tracker({.mode = WidthMode::target}, 1, spaces);
  const double base = chain_cost({32, 64, 64});
  const BudgetedStep mild = budgeted_step(tracker, spaces, {0.0, 0.2, 0.2}, 1, 1, 0.8 * base, chain_cost);
  EXPECT_EQ(mild.steps[0].after, 32);
  // At 10% the other two would be cut to almost nothing: then it gives a little as well.
  const BudgetedStep hard = budgeted_step(tracker, spaces, {0.0, 0.2, 0.2}, 1, 1, 0.1 * base, chain_cost);
  EXPECT_LT(hard.steps[0].after, 32);
  EXPECT_TRUE(hard.status.met);
}

TEST(Budget, RatesOfZeroAreSharedOut) {
  const std::vector<SpaceScores> spaces = chain();
  const WidthTracker tracker({.mode = WidthMode::target}, 1, spaces);
  const BudgetedStep step =
      budgeted_step(tracker, spaces, {0, 0, 0}, 1, 1, 0.5 * chain_cost({32, 64, 64}), chain_cost);
  EXPECT_TRUE(step.status.met);
  for (const WidthStep& s : step.steps) EXPECT_LT(s.after, s.before);
}

TEST(Budget, FeasibleRangeIsNamedWhenItIsLeft) {
  const std::vector<SpaceScores> spaces = chain();
  const WidthTracker tracker({.mode = WidthMode::target, .min_channels = 16}, 1, spaces);
  const FeasibleRange range = feasible_range(tracker, spaces, chain_cost);
  EXPECT_DOUBLE_EQ(range.lowest, chain_cost({16, 16, 16}));
  EXPECT_DOUBLE_EQ(range.present, chain_cost({32, 64, 64}));
  EXPECT_NO_THROW(require_feasible(range, range.lowest, range.present, BudgetMeasure::flops));
  try {
    require_feasible(range, 0.05 * range.present, range.present, BudgetMeasure::flops);
    FAIL() << "an impossible budget was taken";
  } catch (const Error& error) {
    const std::string lowest = fmt::format("{:.4g}", range.lowest / range.present);
    EXPECT_NE(std::string(error.what()).find("0.05"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(lowest), std::string::npos) << error.what();
  }
}

TEST(Budget, AnUnreachableOneIsReportedAsNotMet) {
  const std::vector<SpaceScores> spaces = chain();
  const WidthTracker tracker({.mode = WidthMode::target, .min_channels = 16}, 1, spaces);
  const BudgetedStep step = budgeted_step(tracker, spaces, {0.1, 0.1, 0.1}, 1, 1, 10, chain_cost);
  EXPECT_FALSE(step.status.met);
  EXPECT_FALSE(step.status.close);
}

// Whole vectors of eight channels are fast, others slower than the next whole one: a time may fall where a
// width rises.
double staircase_time(const std::vector<std::int64_t>& widths) {
  double time = 0;
  for (const std::int64_t width : widths) time += static_cast<double>(width % 8 == 0 ? width : width + 12);
  return time;
}

TEST(Budget, ACostThatFallsWhereWidthsRiseIsMetCloselyToo) {
  const std::vector<SpaceScores> spaces = chain();
  const double base = staircase_time({32, 64, 64});
  for (const std::int64_t granule : {1, 4, 8}) {
    const WidthTracker tracker({.mode = WidthMode::target, .round_to = granule}, 1, spaces);
    for (const double fraction : {0.95, 0.8, 0.6, 0.45, 0.3}) {
      const BudgetedStep step =
          budgeted_step(tracker, spaces, {0.3, 0.1, 0.2}, 1, 1, fraction * base, staircase_time);
      const std::vector<std::int64_t> widths = after(step.steps);
      EXPECT_TRUE(step.status.met && step.status.close) << granule << " " << fraction;
      EXPECT_LE(staircase_time(widths), fraction * base);
      for (std::size_t l = 0; l < widths.size(); ++l) {
        if (widths[l] == spaces[l].width) continue;
        std::vector<std::int64_t> wider = widths;
        wider[l] += granule;
        EXPECT_GT(staircase_time(wider), fraction * base) << granule << " " << fraction << " layer " << l;
      }
    }
  }
}

// 12 -> 16 channels costs nothing, and 16 -> 12 saves nothing: both are given back.
TEST(Budget, WhatSavesNothingIsGivenBack) {
  const std::vector<SpaceScores> spaces{space("a", 16), space("b", 16)};
  const WidthTracker tracker({.mode = WidthMode::target, .round_to = 4}, 1, spaces);
  const auto in_eights = [](const std::vector<std::int64_t>& w) {
    const std::int64_t eights = (w[0] + 7) / 8 + (w[1] + 7) / 8;
    return static_cast<double>(eights);
  };
  const BudgetedStep step = budgeted_step(tracker, spaces, {0.2, 0.2}, 1, 1, 3, in_eights);
  EXPECT_TRUE(step.status.close);
  EXPECT_EQ(in_eights(after(step.steps)), 3);
  for (const std::int64_t width : after(step.steps)) EXPECT_EQ(width % 8, 0);
}

TEST(Budget, OneThatIsMetAlreadyIsRefused) {
  const std::vector<SpaceScores> spaces = chain();
  const WidthTracker tracker({.mode = WidthMode::target}, 1, spaces);
  const FeasibleRange range = feasible_range(tracker, spaces, staircase_time);
  try {
    require_feasible(range, 1.5 * range.present, range.present, BudgetMeasure::latency);
    FAIL() << "a budget that leaves nothing to remove was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("met already"), std::string::npos) << error.what();
  }
}

TEST(Budget, AmountsAreShownInTheirUnit) {
  EXPECT_EQ(cost_text(BudgetMeasure::latency, 0.00152), "1.52 ms");
  EXPECT_EQ(cost_text(BudgetMeasure::memory, 12.0 * 1024 * 1024), "12.00 MiB");
  EXPECT_EQ(cost_text(BudgetMeasure::flops, 6'250'816), "6.25 M multiply-adds");
  EXPECT_EQ(cost_text(BudgetMeasure::params, 8042), "8042 parameters");
  EXPECT_DOUBLE_EQ(budget_of({.fraction = 0.5}, 8), 4);
  EXPECT_DOUBLE_EQ(budget_of({.fraction = 0.5, .amount = 3}, 8), 3);
  EXPECT_THROW(static_cast<void>(count_of(BudgetMeasure::latency)), Error);
}

TEST(Planner, HalvingsHalveWhatIsRemoved) {
  const std::vector<SpaceScores> spaces = chain();
  PruneOptions options;
  options.rate_policy = "uniform";
  options.rate = 0.5;
  const WidthTracker tracker(options.width, options.rounds, spaces);
  const PlannedRound whole = plan_round(options, tracker, spaces, 1, 0, {});
  const PlannedRound half = plan_round(options, tracker, spaces, 1, 1, {});
  const PlannedRound quarter = plan_round(options, tracker, spaces, 1, 2, {});
  EXPECT_EQ(after(whole.steps), (std::vector<std::int64_t>{16, 32, 32}));
  EXPECT_EQ(after(half.steps), (std::vector<std::int64_t>{24, 48, 48}));
  EXPECT_EQ(after(quarter.steps), (std::vector<std::int64_t>{28, 56, 56}));
}

TEST(Planner, HalvingsHalveABudgetsRatesToo) {
  const std::vector<SpaceScores> spaces = chain();
  PruneOptions options;
  options.rate_policy = "uniform";
  options.width.mode = WidthMode::target;
  options.rounds = 1;
  const WidthTracker tracker(options.width, options.rounds, spaces);
  const BudgetGoal goal{0.5 * chain_cost({32, 64, 64}), chain_cost};
  const PlannedRound whole = plan_round(options, tracker, spaces, 1, 0, goal);
  const PlannedRound half = plan_round(options, tracker, spaces, 1, 1, goal);
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    const auto removed = static_cast<double>(whole.steps[l].remove);
    EXPECT_NEAR(static_cast<double>(half.steps[l].remove), removed / 2, 0.51) << l;
  }
}

TEST(Planner, SaysWhyAPlanRemovesNothing) {
  std::vector<SpaceScores> spaces{space("a", 4)};
  PruneOptions options;
  options.rate_policy = "uniform";
  options.rate = 0.05;
  const WidthTracker tracker(options.width, options.rounds, spaces);
  const PlannedRound carried = plan_round(options, tracker, spaces, 1, 0, {});
  EXPECT_TRUE(carried.plan.empty());
  EXPECT_NE(carried.why_empty.find("carried on"), std::string::npos);
  options.rate = 0;
  EXPECT_NE(plan_round(options, tracker, spaces, 1, 0, {}).why_empty.find("rate"), std::string::npos);
  options.rate = 0.5;
  options.width.min_channels = 4;
  const WidthTracker floored(options.width, options.rounds, spaces);
  EXPECT_NE(plan_round(options, floored, spaces, 1, 0, {}).why_empty.find("least width"), std::string::npos);
}

TEST(Planner, StrictLeavesTies) {
  SpaceScores tied = space("a", 10);
  tied.order_scores = {0.1, 0.2, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7};
  PruneOptions options;
  options.rate_policy = "uniform";
  options.rate = 0.4;
  options.width.rounding = Rounding::strict;
  const std::vector<SpaceScores> spaces{tied};
  const WidthTracker tracker(options.width, options.rounds, spaces);
  const PlannedRound planned = plan_round(options, tracker, spaces, 1, 0, {});
  // K = 4, the threshold is 0.2, and only 0.1 lies below it.
  EXPECT_EQ(planned.steps[0].after, 9);
  ASSERT_EQ(planned.plan.edits.size(), 1U);
  EXPECT_EQ(planned.plan.edits[0].kept.size(), 9U);
}

}  // namespace
}  // namespace secateur
