#include "prune/loop_events.h"

#include <algorithm>

namespace secateur {
namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

}  // namespace

LogFields start_fields(const PruneOptions& options, const Evaluation& evaluation, const NetworkCost& cost,
                       const NetworkCost& base, const FeasibleRange& range) {
  LogFields fields{{"rounds", options.rounds},
                   {"criterion", options.criterion},
                   {"rate_policy", options.rate_policy},
                   {"rate", options.rate},
                   {"width_mode", std::string(option_name(options.width.mode))},
                   {"accuracy", evaluation.top1},
                   {"loss", evaluation.loss},
                   {"samples", evaluation.samples},
                   {"parameters", cost.parameters},
                   {"macs", cost.macs},
                   {"base_parameters", base.parameters},
                   {"base_macs", base.macs}};
  if (options.width.mode == WidthMode::target) {
    fields.emplace_back("budget_measure", std::string(option_name(options.budget.measure)));
    fields.emplace_back("budget", budget_of(options.budget, base.budgeted));
    fields.emplace_back("budget_base", base.budgeted);
    fields.emplace_back("budget_cost", cost.budgeted);
    fields.emplace_back("budget_lowest", range.lowest);
  }
  return fields;
}

LogFields score_fields(std::int64_t round, std::span<const SpaceScores> spaces) {
  std::vector<std::string> names;
  std::vector<std::int64_t> widths;
  std::vector<double> importance;
  std::vector<double> lowest;
  std::vector<double> highest;
  for (const SpaceScores& space : spaces) {
    const auto [low, high] = std::ranges::minmax(space.scores);
    names.push_back(space.name);
    widths.push_back(space.width);
    importance.push_back(importance_of(space));
    lowest.push_back(low);
    highest.push_back(high);
  }
  return {{"round", round},           {"spaces", names},  {"widths", widths},
          {"importance", importance}, {"lowest", lowest}, {"highest", highest}};
}

LogFields plan_fields(const PlannedRound& planned, std::span<const SpaceScores> spaces,
                      const NetworkCost& before, const NetworkCost& after) {
  std::vector<std::string> names;
  std::vector<std::int64_t> widths_before;
  std::vector<std::int64_t> widths;
  std::vector<double> targets;
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    names.push_back(spaces[l].name);
    widths_before.push_back(planned.steps[l].before);
    widths.push_back(planned.steps[l].after);
    targets.push_back(planned.steps[l].target);
  }
  LogFields fields{{"round", planned.round},
                   {"spaces", names},
                   {"rates", planned.rates},
                   {"widths_before", widths_before},
                   {"widths", widths},
                   {"target_widths", targets},
                   {"parameters_before", before.parameters},
                   {"parameters", after.parameters},
                   {"macs_before", before.macs},
                   {"macs", after.macs}};
  if (!planned.why_empty.empty()) fields.emplace_back("removes_nothing", planned.why_empty);
  if (planned.budget) {
    fields.emplace_back("budget_cost", planned.budget->cost);
    fields.emplace_back("budget_step", planned.budget->budget);
    fields.emplace_back("budget_met", planned.budget->met);
  }
  return fields;
}

LogFields epoch_fields(std::int64_t round, std::int64_t epoch, const EpochReport& report) {
  return {{"round", round},
          {"phase_epoch", epoch},
          {"epoch", report.epoch},
          {"loss", report.loss},
          {"top1", report.top1},
          {"learning_rate", report.learning_rate},
          {"seconds", report.seconds},
          {"images_per_second", report.images_per_second()}};
}

LogFields round_fields(const RoundRecord& r) {
  return {{"round", r.round},
          {"outcome", std::string(option_name(r.outcome))},
          {"accuracy_before", r.accuracy_before},
          {"accuracy", r.accuracy},
          {"alpha", r.alpha},
          {"beta", r.beta},
          {"gamma", r.gamma},
          {"halvings", r.halvings},
          {"fallback_epochs", r.fallback_epochs},
          {"removed_channels", r.removed_channels},
          {"parameters", r.parameters},
          {"macs", r.macs},
          {"widths", r.widths}};
}

LogFields finish_fields(const LoopResult& result) {
  LogFields fields{{"accuracy_start", result.accuracy_start},
                   {"accuracy", result.accuracy},
                   {"parameters", result.cost.parameters},
                   {"macs", result.cost.macs},
                   {"parameters_left", ratio(result.cost.parameters, result.cost_start.parameters)},
                   {"macs_left", ratio(result.cost.macs, result.cost_start.macs)}};
  if (result.budget) {
    fields.emplace_back("budget", result.budget->budget);
    fields.emplace_back("budget_cost", result.budget->cost);
    fields.emplace_back("budget_met", result.budget->met);
    fields.emplace_back("budget_close", result.budget->close);
  }
  return fields;
}

}  // namespace secateur
