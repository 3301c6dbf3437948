// Budget: width mode `target`. Rates of each round are scaled so that the rounds that remain take equal steps
// of log-cost, and the last one meets the budget.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "secateur/prune/cost_measure.h"
#include "secateur/prune/widths.h"

namespace secateur {

// Cost of the network with these widths of the prunable spaces (in their order), in the budget's unit.
using CostOfWidths = std::function<double(const std::vector<std::int64_t>& widths)>;

// What pruning can reach from the present widths.
struct FeasibleRange {
  double lowest = 0;  // every prunable space at its lowest width
  double present = 0;
};
[[nodiscard]] FeasibleRange feasible_range(const WidthTracker& tracker, std::span<const SpaceScores> spaces,
                                           const CostOfWidths& cost);

// Throws Error that names the range, in the measure's unit and as fractions of `base_cost`, when `budget` (a
// cost) cannot be reached, or leaves nothing to remove. What is looked at is the network at its least widths:
// a cost that falls where widths rise may have a lower one in between, which is not searched for.
void require_feasible(const FeasibleRange& range, double budget, double base_cost, BudgetMeasure measure);

// A budget is met when the cost does not exceed it, and met closely when giving back one granule of any one
// space (up to the widths before the round) would exceed it. Where the cost does not rise with every granule,
// as times do not, several granules at once may fit where one does not: those are not tried.
struct BudgetStatus {
  double cost = 0;
  double budget = 0;
  bool met = false;
  bool close = false;
};

// cost <= budget, but for rounding errors of the fraction that the budget was given as.
[[nodiscard]] bool within_budget(double cost, double budget);

struct BudgetedStep {
  std::vector<WidthStep> steps;
  double scale = 1;     // on the rates: (1 - r) becomes (1 - r)^scale
  BudgetStatus status;  // against this round's part of the budget
};

// Widths of round `round`, which is followed by `remaining` - 1 removals: the least scale for which cost <=
// C_t, where log C_t lies an equal step of log-cost towards the budget; then granules are given back, the
// channel with the highest score first, while the cost stays within C_t. Rates that are all 0 count as equal
// ones; where a rate of 0 (Eq. 18 gives one to the most important layer) would mean that another layer loses
// more than half in one round, the lowest rates are raised to a twentieth of the highest.
[[nodiscard]] BudgetedStep budgeted_step(const WidthTracker& tracker, std::span<const SpaceScores> spaces,
                                         std::vector<double> rates, std::int64_t round,
                                         std::int64_t remaining, double budget, const CostOfWidths& cost);

}  // namespace secateur
