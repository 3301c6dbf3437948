#include "secateur/prune/budget.h"

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"

namespace secateur {
namespace {

// A cost counts channels: this much is rounding error of the fraction that the budget was given as.
constexpr double kCostSlack = 1e-9;
constexpr double kLargestScale = 1e6;
constexpr double kScalePrecision = 1e-7;
// Rates that are all 0 say nothing about how to share the budget: then all layers give alike.
constexpr double kEqualRate = 0.1;
// Where sparing a layer altogether would halve another in one round, none is spared below this part of the
// highest rate.
constexpr double kLeastRate = 0.05;

std::vector<std::int64_t> widths_of(std::span<const WidthStep> steps) {
  std::vector<std::int64_t> widths;
  for (const WidthStep& step : steps) widths.push_back(step.after);
  return widths;
}

// The least width above `step.after` that the space could be given back to; 0 where nothing was taken.
std::int64_t given_back(const WidthTracker& tracker, const SpaceScores& space, const WidthStep& step) {
  return step.after < step.before ? std::min(step.after + tracker.granule(space), step.before) : 0;
}

// The spaces that something can be given back to, the highest score among the channels that would return
// first.
std::vector<std::size_t> order_of_return(const WidthTracker& tracker, std::span<const SpaceScores> spaces,
                                         std::span<const WidthStep> steps) {
  std::vector<std::size_t> order;
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    if (given_back(tracker, spaces[l], steps[l]) > 0) order.push_back(l);
  }
  const auto score = [&](std::size_t l) {
    return spaces[l].order_scores[static_cast<std::size_t>(steps[l].before - steps[l].after - 1)];
  };
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return score(a) > score(b); });
  return order;
}

// Gives back what fits. A space whose granule did not fit is tried again only when no other one fits: a cost
// seldom falls where another layer grows, but times may.
void give_back(const WidthTracker& tracker, std::span<const SpaceScores> spaces,
               std::vector<WidthStep>& steps, double limit, const CostOfWidths& cost) {
  const auto fits = [&](std::size_t l) {
    std::vector<std::int64_t> widths = widths_of(steps);
    widths[l] = given_back(tracker, spaces[l], steps[l]);
    return within_budget(cost(widths), limit);
  };
  std::vector<bool> refused(spaces.size(), false);
  while (true) {
    const std::vector<std::size_t> order = order_of_return(tracker, spaces, steps);
    auto found = std::ranges::find_if(order, [&](std::size_t l) {
      if (refused[l]) return false;
      refused[l] = !fits(l);
      return !refused[l];
    });
    if (found == order.end()) found = std::ranges::find_if(order, fits);
    if (found == order.end()) return;
    WidthStep& step = steps[*found];
    step.after = given_back(tracker, spaces[*found], step);
    step.remove = step.before - step.after;
    step.target = std::max(step.target, static_cast<double>(step.after));
  }
}

// The least scale of the rates that brings the cost within the limit, or the widths nearest to it.
BudgetedStep scaled_step(const WidthTracker& tracker, std::span<const SpaceScores> spaces,
                         const std::vector<double>& rates, std::int64_t round, double limit,
                         const CostOfWidths& cost) {
  const auto steps_at = [&](double scale) { return tracker.propose(spaces, rates, round, scale); };
  const auto fits = [&](double scale) { return within_budget(cost(widths_of(steps_at(scale))), limit); };
  BudgetedStep result;
  result.scale = 0;
  if (!fits(0)) {
    double low = 0;
    double high = 1;
    while (!fits(high) && high < kLargestScale) {
      low = high;
      high *= 2;
    }
    while (high - low > kScalePrecision * high) {
      const double middle = 0.5 * (low + high);
      (fits(middle) ? high : low) = middle;
    }
    result.scale = high;
  }
  result.steps = steps_at(result.scale);
  return result;
}

BudgetStatus status_of(const WidthTracker& tracker, std::span<const SpaceScores> spaces,
                       std::span<const WidthStep> steps, double limit, const CostOfWidths& cost) {
  const std::vector<std::int64_t> widths = widths_of(steps);
  BudgetStatus status{cost(widths), limit, false, false};
  status.met = within_budget(status.cost, limit);
  status.close = status.met;
  for (std::size_t l = 0; status.close && l < spaces.size(); ++l) {
    const std::int64_t wider = given_back(tracker, spaces[l], steps[l]);
    if (wider == 0) continue;
    std::vector<std::int64_t> changed = widths;
    changed[l] = wider;
    status.close = !within_budget(cost(changed), limit);
  }
  return status;
}

}  // namespace

bool within_budget(double cost, double budget) { return cost <= budget * (1 + kCostSlack); }

FeasibleRange feasible_range(const WidthTracker& tracker, std::span<const SpaceScores> spaces,
                             const CostOfWidths& cost) {
  std::vector<std::int64_t> present;
  std::vector<std::int64_t> lowest;
  for (const SpaceScores& space : spaces) {
    present.push_back(space.width);
    // A width that is no multiple of the granule comes down to the last one above the lowest.
    lowest.push_back(tracker.lowest(space));
  }
  return {cost(lowest), cost(present)};
}

void require_feasible(const FeasibleRange& range, double budget, double base_cost, BudgetMeasure measure) {
  const auto shown = [&](double cost) {
    return fmt::format("{:.4g} of the unpruned cost ({})", cost / base_cost, cost_text(measure, cost));
  };
  require(
      within_budget(range.lowest, budget),
      "the budget of {} cannot be met: with every layer at its least width {} remain, so choose from {:.4g} "
      "to {:.4g}, or lower min_channels, or prune more layers",
      shown(budget), shown(range.lowest), range.lowest / base_cost, range.present / base_cost);
  require(!within_budget(range.present, budget),
          "the budget of {} is met already, by {}: there is nothing to remove; choose from {:.4g} to below "
          "{:.4g}",
          shown(budget), shown(range.present), range.lowest / base_cost, range.present / base_cost);
}

BudgetedStep budgeted_step(const WidthTracker& tracker, std::span<const SpaceScores> spaces,
                           std::vector<double> rates, std::int64_t round, std::int64_t remaining,
                           double budget, const CostOfWidths& cost) {
  std::vector<std::int64_t> present;
  for (const SpaceScores& space : spaces) present.push_back(space.width);
  const double now = cost(present);
  const bool last = remaining <= 1 || now <= budget;
  const double limit = last ? budget : now * std::pow(budget / now, 1.0 / static_cast<double>(remaining));

  if (std::ranges::all_of(rates, [](double rate) { return rate <= 0; })) std::ranges::fill(rates, kEqualRate);
  BudgetedStep result = scaled_step(tracker, spaces, rates, round, limit, cost);
  const bool severe =
      std::ranges::any_of(result.steps, [](const WidthStep& s) { return 2 * s.after < s.before; });
  if (severe || !within_budget(cost(widths_of(result.steps)), limit)) {
    const double floor = kLeastRate * *std::ranges::max_element(rates);
    for (double& rate : rates) rate = std::max(rate, floor);
    result = scaled_step(tracker, spaces, rates, round, limit, cost);
  }
  give_back(tracker, spaces, result.steps, limit, cost);
  result.status = status_of(tracker, spaces, result.steps, limit, cost);
  return result;
}

}  // namespace secateur
