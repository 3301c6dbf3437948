#include "secateur/prune/planner.h"

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/prune/selection.h"

namespace secateur {
namespace {

// Of removals, this one included, up to the last round.
std::int64_t removals_left(const PruneOptions& options, std::int64_t round) {
  return options.rounds / options.frequency - round / options.frequency + 1;
}

std::string reason_of_empty_plan(const PlannedRound& planned, const WidthTracker& tracker,
                                 std::span<const SpaceScores> spaces) {
  if (std::ranges::all_of(planned.rates, [](double rate) { return rate <= 0; })) {
    return spaces.size() == 1
               ? "its rate is 0: under eq18 the most important layer is not pruned, and there is one"
               : "every rate is 0";
  }
  bool at_lowest = true;
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    at_lowest = at_lowest && (planned.rates[l] <= 0 || spaces[l].width <= tracker.lowest(spaces[l]));
  }
  if (at_lowest) return "every layer with a rate above 0 is at its least width";
  return "no width has fallen by a whole channel (or a whole multiple of round_to) yet: the rest is carried "
         "on";
}

}  // namespace

PlannedRound plan_round(const PruneOptions& options, const WidthTracker& tracker,
                        std::span<const SpaceScores> spaces, std::int64_t round, std::int64_t halvings,
                        const BudgetGoal& goal) {
  std::vector<double> rates =
      make_rate_policy(options.rate_policy, rate_policy_options(options))->rates(spaces);
  require(rates.size() == spaces.size(), "rate policy '{}' gave {} rates for {} layers", options.rate_policy,
          rates.size(), spaces.size());
  return plan_with_rates(options, tracker, spaces, std::move(rates), round, halvings, goal);
}

PlannedRound plan_with_rates(const PruneOptions& options, const WidthTracker& tracker,
                             std::span<const SpaceScores> spaces, std::vector<double> rates,
                             std::int64_t round, std::int64_t halvings, const BudgetGoal& goal) {
  require(rates.size() == spaces.size(), "there are {} rates for {} layers", rates.size(), spaces.size());
  PlannedRound planned;
  planned.round = round;
  planned.rates = std::move(rates);

  if (options.width.mode == WidthMode::target) {
    BudgetedStep step = budgeted_step(tracker, spaces, planned.rates, round, removals_left(options, round),
                                      goal.cost, goal.cost_of);
    for (std::size_t l = 0; l < spaces.size(); ++l) {
      const WidthStep& s = step.steps[l];
      planned.rates[l] = static_cast<double>(s.before - s.after) / static_cast<double>(s.before);
    }
    planned.steps = std::move(step.steps);
    planned.budget = step.status;
  }
  if (halvings > 0 || options.width.mode != WidthMode::target) {
    for (double& rate : planned.rates) rate = std::ldexp(rate, -static_cast<int>(halvings));
    planned.steps = tracker.propose(spaces, planned.rates, round);
    planned.budget.reset();
  }

  const bool strict = options.width.rounding == Rounding::strict;
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    WidthStep& step = planned.steps[l];
    if (step.remove == 0) continue;
    std::vector<std::int64_t> kept =
        strict ? kept_members_strict(spaces[l], step.remove) : kept_members(spaces[l], step.remove);
    step.after = static_cast<std::int64_t>(kept.size());
    if (step.after < step.before)
      planned.plan.edits.push_back({spaces[l].name, step.before, std::move(kept)});
  }
  if (planned.plan.empty()) planned.why_empty = reason_of_empty_plan(planned, tracker, spaces);
  return planned;
}

void save_scores(std::span<const SpaceScores> spaces, StateWriter writer) {
  writer.set("count", static_cast<std::int64_t>(spaces.size()));
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    const SpaceScores& space = spaces[l];
    StateWriter entry = writer.scope(fmt::format("{:06}", l));
    entry.set("name", space.name);
    entry.set("producers", space.producers);
    entry.set("width", space.width);
    entry.set("groups", space.groups);
    entry.set("scores", space.scores);
    entry.set("order", space.order);
    entry.set("order_scores", space.order_scores);
  }
}

std::vector<SpaceScores> load_scores(const StateReader& reader) {
  std::vector<SpaceScores> spaces;
  for (std::int64_t l = 0; l < reader.get<std::int64_t>("count"); ++l) {
    const StateReader entry = reader.scope(fmt::format("{:06}", l));
    spaces.push_back({entry.get<std::string>("name"), entry.get<std::vector<std::string>>("producers"),
                      entry.get<std::int64_t>("width"), entry.get<std::int64_t>("groups"),
                      entry.get<std::vector<double>>("scores"), entry.get<std::vector<std::int64_t>>("order"),
                      entry.get<std::vector<double>>("order_scores")});
  }
  return spaces;
}

}  // namespace secateur
