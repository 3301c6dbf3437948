#include "secateur/prune/pruning_loop.h"

#include <algorithm>
#include <utility>

#include "prune/loop_events.h"
#include "prune/soft_mask.h"
#include "secateur/core/error.h"

namespace secateur {

PruningLoop::PruningLoop(PruneOptions options, PruningBackend& backend, EventSink& events)
    : options_(std::move(options)),
      backend_(backend),
      events_(events),
      controller_(options_.controller, options_.rounds, options_.tau) {
  check(options_);
  const std::vector<SpaceScores> spaces = backend_.spaces();
  tracker_ = WidthTracker(options_.width, options_.rounds, spaces);
}

bool PruningLoop::step() {
  switch (s_.phase) {
    case LoopPhase::begin:
      begin();
      return true;
    case LoopPhase::train:
      train();
      return true;
    case LoopPhase::search:
      search();
      return true;
    case LoopPhase::remove:
      remove();
      return true;
    case LoopPhase::finetune:
      finetune();
      return true;
    case LoopPhase::evaluate:
      evaluate();
      return true;
    case LoopPhase::fallback:
      fallback();
      return true;
    case LoopPhase::skip:
      skip();
      return true;
    case LoopPhase::finished:
      return false;
  }
  return false;
}

LoopResult PruningLoop::run(const std::function<void()>& checkpoint) {
  while (step()) checkpoint();
  LoopResult reached = result();
  if (reached.budget && !reached.budget->met) {
    const double base = reached.cost_start.budgeted;
    fail(
        "the budget was not met: {:.4g} of the unpruned {} were to remain ({}), {:.4g} are reached after {} "
        "rounds ({}; {} parameters, {} MACs, accuracy {:.4g}); more rounds, a larger tau or more layers to "
        "prune would help",
        reached.budget->budget / base, option_name(options_.budget.measure),
        cost_text(options_.budget.measure, reached.budget->budget), reached.budget->cost / base,
        s_.history.size(), cost_text(options_.budget.measure, reached.budget->cost), reached.cost.parameters,
        reached.cost.macs, reached.accuracy);
  }
  return reached;
}

PruningLoop::Preview PruningLoop::preview() {
  const std::int64_t round = (s_.round + options_.frequency - 1) / options_.frequency * options_.frequency;
  const Weights weights = controller_.weights(round);
  std::vector<SpaceScores> spaces = backend_.score({weights.alpha, weights.beta, round, options_.seed});
  static_cast<void>(check_budget());
  PlannedRound planned = plan_round(options_, tracker_, spaces, round, 0, goal());
  return {std::move(planned), std::move(spaces)};
}

void PruningLoop::begin() {
  const FeasibleRange range = check_budget();
  const Evaluation before = backend_.evaluate();
  s_.accuracy_start = before.top1;
  s_.accuracy_before = before.top1;
  events_.write("prune_start", start_fields(options_, before, backend_.cost(), backend_.base_cost(), range));
  start_round();
}

void PruningLoop::start_round() {
  s_.record = RoundRecord{};
  s_.record.round = s_.round;
  s_.record.accuracy_before = s_.accuracy_before;
  const Weights weights = controller_.weights(s_.round);
  s_.record.alpha = weights.alpha;
  s_.record.beta = weights.beta;
  s_.scores.clear();
  s_.steps.clear();
  s_.searched.clear();
  s_.tried.reset();
  s_.snapshot.reset();
  search_.reset();
  s_.epoch = 0;
  s_.phase = LoopPhase::train;
  events_.write("round_start", {{"round", s_.round},
                                {"rounds", options_.rounds},
                                {"alpha", weights.alpha},
                                {"beta", weights.beta},
                                {"gamma", controller_.gamma()},
                                {"accuracy", s_.accuracy_before}});
  if (options_.train_epochs == 0) after_training();
}

void PruningLoop::train() {
  if (s_.epoch == 0 && !s_.within_epoch) mask();
  s_.within_epoch = true;
  const EpochReport report =
      backend_.train_for_removal(round_phase(), phase_epoch(false),
                                 {.round = s_.round, .epoch = s_.epoch, .epochs = options_.train_epochs});
  s_.within_epoch = false;
  events_.write("train_epoch", epoch_fields(s_.round, s_.epoch, report));
  ++s_.epoch;
  mask();
  if (s_.epoch == options_.train_epochs) after_training();
}

// Scored on what the epoch has made of the filters, those included that were zero before it. The scores of
// the last mask are those of the removal, which so takes what it set to zero.
void PruningLoop::mask() {
  if (options_.mask_mode == MaskMode::hard || s_.round % options_.frequency != 0) return;
  s_.scores = backend_.score({s_.record.alpha, s_.record.beta, s_.round, options_.seed});
  const PlannedRound planned = plan_round(options_, tracker_, s_.scores, s_.round, 0, goal());
  const double progress = static_cast<double>(s_.epoch) / static_cast<double>(options_.train_epochs);
  const double part =
      options_.mask_mode == MaskMode::soft ? 1.0 : asymptotic_part(progress, options_.mask_knee);
  const PruningPlan plan =
      s_.epoch == options_.train_epochs ? planned.plan : part_of(planned, s_.scores, part);
  backend_.zero(plan);
  events_.write("mask", {{"round", s_.round},
                         {"phase_epoch", s_.epoch},
                         {"channels", plan.removed_channels()},
                         {"channels_to_remove", planned.plan.removed_channels()}});
}

void PruningLoop::after_training() {
  s_.epoch = 0;
  // Evaluated only where no removal follows, which ends in an evaluation of its own.
  const LoopPhase removal = options_.search.name == "none" ? LoopPhase::remove : LoopPhase::search;
  s_.phase = s_.round % options_.frequency == 0 ? removal : LoopPhase::evaluate;
}

std::unique_ptr<Search> PruningLoop::new_search(std::size_t layers) const {
  return make_search({.options = options_.search,
                      .layers = static_cast<std::int64_t>(layers),
                      .round = s_.round,
                      .seed = options_.seed});
}

void PruningLoop::try_candidate() {
  if (!s_.snapshot) score();
  if (search_ == nullptr) search_ = new_search(s_.scores.size());
  const PlannedRound planned =
      plan_with_rates(options_, tracker_, s_.scores, search_->ask(), s_.round, 0, goal());
  backend_.apply(planned.plan);
  s_.tried = Candidate{planned.rates, !planned.budget || planned.budget->met};
  s_.epoch = 0;
}

// An epoch of the candidate that is tried, which is measured after the last and taken back.
void PruningLoop::search() {
  if (!s_.tried) try_candidate();
  if (s_.epoch < options_.search.epochs) {
    const LrPhase phase{.factor = find_lr_schedule("constant"),
                        .base_rate = round_phase().rate(static_cast<double>(phase_epoch(true) - s_.epoch)),
                        .epochs = static_cast<double>(options_.search.epochs)};
    train_epoch(phase, s_.epoch, "search_epoch");
    if (++s_.epoch < options_.search.epochs) return;
  }
  const NetworkCost cost = backend_.cost();
  const Candidate tried = *std::exchange(s_.tried, std::nullopt);
  s_.epoch = 0;
  // A network that is too large is no candidate.
  const double accuracy = measure("search");
  search_->tell(tried.within_budget ? accuracy : 0.0);
  backend_.rollback(*s_.snapshot);
  events_.write("candidate", {{"round", s_.round},
                              {"rates", tried.rates},
                              {"accuracy", accuracy},
                              {"best", search_->best_fitness()},
                              {"parameters", cost.parameters},
                              {"macs", cost.macs}});
  if (!search_->finished()) return;
  s_.searched = search_->best();
  search_.reset();
  s_.phase = LoopPhase::remove;
}

void PruningLoop::score() {
  if (s_.scores.empty()) {
    s_.scores = backend_.score({s_.record.alpha, s_.record.beta, s_.round, options_.seed});
  }
  for (const SpaceScores& space : s_.scores) {
    s_.record.names.push_back(space.name);
    s_.record.importance.push_back(importance_of(space));
  }
  events_.write("scores", score_fields(s_.round, s_.scores));
  s_.snapshot = backend_.snapshot();
}

void PruningLoop::remove() {
  if (!s_.snapshot) score();
  PlannedRound planned =
      s_.searched.empty()
          ? plan_round(options_, tracker_, s_.scores, s_.round, s_.record.halvings, goal())
          : plan_with_rates(options_, tracker_, s_.scores, s_.searched, s_.round, s_.record.halvings, goal());
  std::vector<std::int64_t> widths;
  for (const WidthStep& step : planned.steps) widths.push_back(step.after);
  const NetworkCost before = backend_.cost();
  events_.write("plan", plan_fields(planned, s_.scores, before, backend_.cost_with(widths)));

  if (planned.plan.empty() && s_.record.halvings > 0) {
    events_.write("skip",
                  {{"round", s_.round}, {"reason", "the halved rates remove nothing: " + planned.why_empty}});
    s_.phase = LoopPhase::skip;
    return;
  }
  backend_.apply(planned.plan);
  if (options_.reinitialize) backend_.reinitialize();
  const NetworkCost after = backend_.cost();
  events_.write("removal", {{"round", s_.round},
                            {"channels", planned.plan.removed_channels()},
                            {"parameters_before", before.parameters},
                            {"parameters", after.parameters},
                            {"macs_before", before.macs},
                            {"macs", after.macs},
                            {"widths", widths}});
  s_.budget_close = planned.budget && planned.budget->close;
  s_.record.rates = planned.rates;
  s_.record.widths = widths;
  s_.record.removed_channels = planned.plan.removed_channels();
  s_.steps = std::move(planned.steps);
  if (options_.watch) static_cast<void>(measure("removal"));
  s_.epoch = 0;
  s_.phase = options_.finetune_epochs > 0 ? LoopPhase::finetune : LoopPhase::evaluate;
}

void PruningLoop::finetune() {
  train_epoch(round_phase(), phase_epoch(true), "finetune_epoch");
  if (++s_.epoch == options_.finetune_epochs) {
    s_.phase = LoopPhase::evaluate;
  } else if (options_.watch) {
    static_cast<void>(measure("epoch"));
  }
}

void PruningLoop::evaluate() {
  const double accuracy = measure("round");
  if (s_.round % options_.frequency != 0) {
    end_round(RoundOutcome::trained, accuracy);
    return;
  }
  const double delta = accuracy - s_.accuracy_before;
  const bool collapsed = delta < -options_.tau;
  if (s_.record.halvings == 0) {
    s_.record.accuracy_first = accuracy;
    controller_.feedback(s_.round, s_.accuracy_before, accuracy);
    if (collapsed && options_.fallback.enabled) controller_.halve_gamma();
    const Weights next = controller_.weights(std::min(s_.round + 1, options_.rounds));
    events_.write("controller", {{"round", s_.round},
                                 {"delta", delta},
                                 {"alpha_next", next.alpha},
                                 {"beta_next", next.beta},
                                 {"gamma", controller_.gamma()}});
  }
  if (!collapsed || !options_.fallback.enabled) {
    accept(RoundOutcome::pruned, accuracy);
    return;
  }
  events_.write("fallback_start", {{"round", s_.round},
                                   {"halvings", s_.record.halvings},
                                   {"accuracy_before", s_.accuracy_before},
                                   {"accuracy", accuracy},
                                   {"tau", options_.tau},
                                   {"epochs", options_.fallback.epochs}});
  s_.accuracy_removed = accuracy;
  s_.epoch = 0;
  s_.phase = LoopPhase::fallback;
  if (options_.fallback.epochs == 0) roll_back_and_soften();
}

void PruningLoop::fallback() {
  const LrPhase round = round_phase();
  const double rate = round.rate(static_cast<double>(phase_epoch(true) - s_.epoch));
  const LrPhase phase{.factor = find_lr_schedule("constant"),
                      .base_rate = rate * options_.fallback.lr_factor,
                      .epochs = static_cast<double>(options_.fallback.epochs)};
  train_epoch(phase, s_.epoch, "fallback_epoch");
  ++s_.epoch;
  ++s_.record.fallback_epochs;
  const double accuracy = measure("fallback");
  const bool success = options_.fallback.success == FallbackSuccess::literal
                           ? accuracy > s_.accuracy_removed
                           : accuracy >= s_.accuracy_before - options_.tau;
  if (success) {
    events_.write("fallback_success", {{"round", s_.round}, {"epochs", s_.epoch}, {"accuracy", accuracy}});
    accept(RoundOutcome::recovered, accuracy);
  } else if (s_.epoch == options_.fallback.epochs) {
    roll_back_and_soften();
  }
}

void PruningLoop::roll_back_and_soften() {
  require(s_.snapshot.has_value(), "there is no network to go back to");
  backend_.rollback(*s_.snapshot);
  s_.epoch = 0;
  s_.steps.clear();
  events_.write("rollback", {{"round", s_.round}, {"parameters", backend_.cost().parameters}});
  if (s_.record.halvings == options_.fallback.max_halvings) {
    events_.write("skip", {{"round", s_.round},
                           {"reason", fmt::format("no success after {} halvings", s_.record.halvings)}});
    s_.phase = LoopPhase::skip;
    return;
  }
  ++s_.record.halvings;
  events_.write("halving", {{"round", s_.round}, {"halvings", s_.record.halvings}});
  s_.phase = LoopPhase::remove;
}

// The network is as before this round's removal, but trained since it was measured last.
void PruningLoop::skip() {
  s_.record.removed_channels = 0;
  s_.record.rates.assign(s_.scores.size(), 0.0);
  s_.record.widths.clear();
  for (const SpaceScores& space : s_.scores) s_.record.widths.push_back(space.width);
  const double accuracy = measure("skip");
  ++s_.skipped_in_a_row;
  end_round(RoundOutcome::skipped, accuracy);
}

void PruningLoop::accept(RoundOutcome outcome, double accuracy) {
  tracker_.accept(s_.scores, s_.steps);
  s_.skipped_in_a_row = 0;
  end_round(outcome, accuracy);
}

void PruningLoop::end_round(RoundOutcome outcome, double accuracy) {
  const NetworkCost cost = backend_.cost();
  s_.record.outcome = outcome;
  s_.record.accuracy = accuracy;
  s_.record.gamma = controller_.gamma();
  s_.record.parameters = cost.parameters;
  s_.record.macs = cost.macs;
  s_.accuracy_before = accuracy;
  LogFields fields = round_fields(s_.record);
  if (options_.width.mode == WidthMode::target) fields.emplace_back("budget_cost", cost.budgeted);
  events_.write("round_end", fields);
  s_.history.push_back(std::move(s_.record));
  s_.record = RoundRecord{};

  // A network that refused two removals in a row refuses the next steps of a budget too, which only grow.
  const bool stuck = options_.width.mode == WidthMode::target && s_.skipped_in_a_row >= 2;
  if (s_.round == options_.rounds || stuck) {
    finish();
    return;
  }
  ++s_.round;
  start_round();
}

void PruningLoop::finish() {
  s_.phase = LoopPhase::finished;
  s_.scores.clear();
  s_.steps.clear();
  s_.snapshot.reset();
  events_.write("prune_finish", finish_fields(result()));
}

LoopResult PruningLoop::result() {
  LoopResult reached;
  reached.accuracy_start = s_.accuracy_start;
  reached.accuracy = s_.accuracy_before;
  reached.cost_start = backend_.base_cost();
  reached.cost = backend_.cost();
  if (options_.width.mode == WidthMode::target) {
    BudgetStatus status;
    status.cost = reached.cost.budgeted;
    status.budget = budget_of(options_.budget, reached.cost_start.budgeted);
    status.met = within_budget(status.cost, status.budget);
    status.close = status.met && s_.budget_close;
    reached.budget = status;
  }
  return reached;
}

}  // namespace secateur
