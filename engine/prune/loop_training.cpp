// The loop's dealings with training, costs and its saved state.
#include <map>

#include "prune/loop_events.h"
#include "secateur/core/error.h"
#include "secateur/prune/pruning_loop.h"

namespace secateur {

// `paper` runs over the epochs of the whole run; every other schedule over those of one round, from the
// training before the removal to the end of the fine-tuning.
LrPhase PruningLoop::round_phase() const {
  std::int64_t epochs = options_.frequency * options_.train_epochs + options_.finetune_epochs;
  if (options_.lr_schedule == "paper") {
    epochs = options_.rounds * options_.train_epochs +
             options_.rounds / options_.frequency * options_.finetune_epochs;
  }
  return {.factor = find_lr_schedule(options_.lr_schedule),
          .base_rate = options_.learning_rate,
          .epochs = static_cast<double>(epochs)};
}

std::int64_t PruningLoop::phase_epoch(bool finetuning) const {
  const std::int64_t done = s_.round - 1;
  const std::int64_t within = s_.epoch + (finetuning ? options_.train_epochs : 0);
  if (options_.lr_schedule == "paper") {
    return done * options_.train_epochs + done / options_.frequency * options_.finetune_epochs + within;
  }
  return done % options_.frequency * options_.train_epochs + within;
}

void PruningLoop::train_epoch(const LrPhase& phase, std::int64_t epoch, std::string_view event) {
  s_.within_epoch = true;
  const EpochReport report = backend_.train_epoch(phase, epoch);
  s_.within_epoch = false;
  events_.write(event, epoch_fields(s_.round, s_.epoch, report));
}

double PruningLoop::measure(std::string_view occasion) {
  const Evaluation evaluation = backend_.evaluate();
  events_.write("evaluation", {{"round", s_.round},
                               {"occasion", std::string(occasion)},
                               {"accuracy", evaluation.top1},
                               {"top5", evaluation.top5},
                               {"loss", evaluation.loss},
                               {"samples", evaluation.samples}});
  return evaluation.top1;
}

// Scales of the rates that lie close together give the same widths: each is counted once.
BudgetGoal PruningLoop::goal() {
  BudgetGoal aim;
  if (options_.width.mode != WidthMode::target) return aim;
  aim.cost = budget_of(options_.budget, backend_.base_cost().budgeted);
  aim.cost_of = [this, known = std::map<std::vector<std::int64_t>, double>()](
                    const std::vector<std::int64_t>& widths) mutable {
    const auto found = known.find(widths);
    if (found != known.end()) return found->second;
    return known.emplace(widths, backend_.cost_with(widths).budgeted).first->second;
  };
  return aim;
}

FeasibleRange PruningLoop::check_budget() {
  if (options_.width.mode != WidthMode::target) return {};
  const std::vector<SpaceScores> spaces = backend_.spaces();
  const BudgetGoal aim = goal();
  const FeasibleRange range = feasible_range(tracker_, spaces, aim.cost_of);
  require_feasible(range, aim.cost, backend_.base_cost().budgeted, options_.budget.measure);
  return range;
}

void PruningLoop::save(StateWriter w) const {
  w.set("phase", std::string(option_name(s_.phase)));
  w.set("round", s_.round);
  w.set("epoch", s_.epoch);
  w.set("within_epoch", s_.within_epoch);
  w.set("accuracy_start", s_.accuracy_start);
  w.set("accuracy_before", s_.accuracy_before);
  w.set("accuracy_removed", s_.accuracy_removed);
  w.set("skipped_in_a_row", s_.skipped_in_a_row);
  w.set("budget_close", s_.budget_close);
  save_history({s_.record}, w.scope("record"));
  save_history(s_.history, w.scope("history"));
  save_scores(s_.scores, w.scope("scores"));
  std::vector<double> targets;
  std::vector<std::int64_t> widths;
  for (const WidthStep& step : s_.steps) {
    targets.push_back(step.target);
    widths.insert(widths.end(), {step.before, step.after, step.remove});
  }
  if (s_.tried) {
    StateWriter tried = w.scope("tried");
    tried.set("rates", s_.tried->rates);
    tried.set("within_budget", s_.tried->within_budget);
  }
  w.set("searched", s_.searched);
  if (search_ != nullptr) search_->save(w.scope("search"));
  w.set("step_targets", targets);
  w.set("step_widths", widths);
  tracker_.save(w.scope("widths"));
  controller_.save(w.scope("controller"));
  backend_.save(w.scope("backend"));
  w.set("has_snapshot", s_.snapshot.has_value());
  if (s_.snapshot) copy_in(*s_.snapshot, w.scope("snapshot"));
}

void PruningLoop::restore(const StateReader& r) {
  State s;
  const auto& phase = r.get<std::string>("phase");
  bool known = false;
  for (const auto& [value, name] : EnumNames<LoopPhase>::kTable) {
    if (name != phase) continue;
    s.phase = value;
    known = true;
  }
  require(known, "the stored run stands at '{}', which this version does not know", phase);
  s.round = r.get<std::int64_t>("round");
  s.epoch = r.get<std::int64_t>("epoch");
  s.within_epoch = r.get_or<bool>("within_epoch", false);
  s.accuracy_start = r.get<double>("accuracy_start");
  s.accuracy_before = r.get<double>("accuracy_before");
  s.accuracy_removed = r.get<double>("accuracy_removed");
  s.skipped_in_a_row = r.get<std::int64_t>("skipped_in_a_row");
  s.budget_close = r.get<bool>("budget_close");
  s.record = load_history(r.scope("record")).at(0);
  s.history = load_history(r.scope("history"));
  s.scores = load_scores(r.scope("scores"));
  const auto& targets = r.get<std::vector<double>>("step_targets");
  const auto& widths = r.get<std::vector<std::int64_t>>("step_widths");
  require(widths.size() == 3 * targets.size(), "the stored widths of the round are damaged: {} for {} layers",
          widths.size(), targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    s.steps.push_back({widths[3 * i], widths[3 * i + 1], widths[3 * i + 2], targets[i]});
  }
  if (r.contains("tried")) {
    const StateReader tried = r.scope("tried");
    s.tried = Candidate{tried.get<std::vector<double>>("rates"), tried.get<bool>("within_budget")};
  }
  s.searched = r.get_or<std::vector<double>>("searched", {});
  if (r.get<bool>("has_snapshot")) s.snapshot = copy_out(r.scope("snapshot"));
  tracker_.restore(r.scope("widths"));
  controller_.restore(r.scope("controller"));
  backend_.restore(r.scope("backend"));
  s_ = std::move(s);
  search_.reset();
  if (r.contains("search")) {
    search_ = new_search(s_.scores.size());
    require(search_ != nullptr, "the stored run stands in a search, and the options name none");
    search_->restore(r.scope("search"));
  }
}

}  // namespace secateur
