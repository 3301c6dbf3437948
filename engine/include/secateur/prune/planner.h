// Planner: a round's decisions - rates, widths, channels - from its scores. Pure: the same scores and state
// give the same plan, so that a resumed run, and a round that is made milder, need no second scoring pass.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "secateur/prune/budget.h"
#include "secateur/prune/prune_options.h"
#include "secateur/prune/pruning_plan.h"
#include "secateur/prune/rate_policy.h"
#include "secateur/prune/widths.h"

namespace secateur {

struct PlannedRound {
  std::int64_t round = 0;
  std::vector<double> rates;     // one a space, as carried out: after the budget's scale and the halvings
  std::vector<WidthStep> steps;  // one a space
  PruningPlan plan;
  std::string why_empty;               // says why the plan removes nothing; empty where it removes something
  std::optional<BudgetStatus> budget;  // width mode target: against this round's part
};

// What width mode `target` steers by.
struct BudgetGoal {
  double cost = 0;  // the budget
  CostOfWidths cost_of;
};

// Plans round `round` after `halvings` halvings of its rates. `goal` is needed in width mode target only.
[[nodiscard]] PlannedRound plan_round(const PruneOptions& options, const WidthTracker& tracker,
                                      std::span<const SpaceScores> spaces, std::int64_t round,
                                      std::int64_t halvings, const BudgetGoal& goal);

// The same with these rates (before the budget's scale and the halvings) in place of the policy's.
[[nodiscard]] PlannedRound plan_with_rates(const PruneOptions& options, const WidthTracker& tracker,
                                           std::span<const SpaceScores> spaces, std::vector<double> rates,
                                           std::int64_t round, std::int64_t halvings, const BudgetGoal& goal);

void save_scores(std::span<const SpaceScores> spaces, StateWriter writer);
[[nodiscard]] std::vector<SpaceScores> load_scores(const StateReader& reader);

}  // namespace secateur
