#include "secateur/prune/model_backend.h"

#include "secateur/core/error.h"
#include "secateur/dist/communicator.h"
#include "secateur/prune/filter_sketch.h"
#include "secateur/prune/scope.h"
#include "secateur/prune/selection.h"
#include "secateur/prune/surgeon.h"
#include "secateur/prune/train_hooks.h"

namespace secateur {

namespace {

CostOfGraph budgeted_cost(const PruningParts& parts, const PruneOptions& options) {
  if (options.width.mode != WidthMode::target) return {};
  return parts.budget_cost ? parts.budget_cost : count_of(options.budget.measure);
}

}  // namespace

ModelPruningBackend::ModelPruningBackend(PruningParts parts, const PruneOptions& options)
    : parts_(std::move(parts)),
      options_(options),
      scorer_(parts_.model, parts_.arena, parts_.stream,
              ScorerOptions{.images = options.sample_images,
                            .batch = options.sample_batch,
                            .precision = parts_.trainer.options().precision,
                            .taps = options.taps,
                            .redundancy = options.redundancy,
                            .communicator = parts.communicator}),
      criterion_(make_criterion(options.criterion,
                                {.reduction = options.producer_reduction, .quirks = options.quirks})),
      hook_(make_train_hook(options)),
      budgeted_(budgeted_cost(parts_, options)),
      base_cost_(cost_of_network(parts_.base != nullptr ? *parts_.base : parts_.model.graph())) {}

NetworkCost ModelPruningBackend::cost_of_network(const Graph& graph) const {
  const GraphCost cost = cost_of(graph);
  return {cost.parameters, cost.macs, budgeted_ ? budgeted_(graph) : 0};
}

const ModelPruningBackend::View& ModelPruningBackend::view() {
  const Model& model = parts_.model;
  if (view_.generation != model.generation() || view_.spaces == nullptr) {
    view_.spaces = std::make_unique<ChannelSpaces>(model.graph());
    view_.prunable = prunable_spaces(model.graph(), *view_.spaces, options_.scope, options_.keep);
    view_.generation = model.generation();
  }
  return view_;
}

std::vector<SpaceScores> ModelPruningBackend::spaces() {
  std::vector<SpaceScores> result;
  for (const std::int64_t index : view().prunable) {
    const ChannelSpace& space = view().spaces->space(index);
    SpaceScores& entry = result.emplace_back();
    entry.name = space.name;
    for (const SpaceProducer& producer : space.producers) {
      entry.producers.push_back(parts_.model.graph().node(producer.node).name);
    }
    entry.width = space.width;
    entry.groups = space.groups;
  }
  return result;
}

std::vector<SpaceScores> ModelPruningBackend::score(const CriterionContext& context) {
  const bool greedy = options_.selection == SelectionMode::greedy;
  auto statistics =
      scorer_.measure(view().prunable, criterion_->needs(), greedy, parts_.sample, context.round);
  if (criterion_->needs().choice) {
    scorer_.choose(*criterion_, context, options_.rate, parts_.sample, statistics);
  }
  if (criterion_->needs().norm_history) norms_.fill(*view().spaces, statistics);
  std::vector<SpaceScores> result;
  for (const SpaceStatistics& space : statistics) {
    result.push_back(scored_space(space, options_.selection,
                                  [&](const SpaceStatistics& s) { return criterion_->score(s, context); }));
  }
  return result;
}

EpochReport ModelPruningBackend::train_epoch(const LrPhase& phase, std::int64_t phase_epoch) {
  EpochReport report = parts_.trainer.run_epoch(scaled(phase), phase_epoch, parts_.observer);
  record_norms();
  return report;
}

EpochReport ModelPruningBackend::train_for_removal(const LrPhase& phase, std::int64_t phase_epoch,
                                                   const HookPlace& place) {
  if (hook_ == nullptr) return train_epoch(phase, phase_epoch);
  EpochReport report = parts_.trainer.run_epoch(scaled(phase), phase_epoch, parts_.observer, *hook_, place);
  record_norms();
  return report;
}

LrPhase ModelPruningBackend::scaled(LrPhase phase) const {
  phase.base_rate *= learning_rate_factor_;
  return phase;
}

void ModelPruningBackend::record_norms() {
  if (criterion_->needs().norm_history) norms_.record(parts_.model, *view().spaces, parts_.stream);
}

Evaluation ModelPruningBackend::evaluate() { return parts_.evaluator.run(parts_.steering); }

// Ranks that plan differently would train different networks from here on.
void ModelPruningBackend::compare(const PruningPlan& plan) {
  if (parts_.communicator == nullptr) return;
  Fingerprint fingerprint;
  for (const KeepChannels& edit : plan.edits) {
    fingerprint.add(edit.space);
    fingerprint.add(edit.width);
    fingerprint.add(std::as_bytes(std::span(edit.kept)));
  }
  parts_.communicator->require_equal(fingerprint.value(), "the pruning plan");
}

void ModelPruningBackend::apply(const PruningPlan& plan) {
  compare(plan);
  if (plan.empty()) return;
  parts_.arena.clear();  // what it holds is worthless afterwards, and the removal needs memory
  if (criterion_->edit() == WeightEdit::sketch) sketch_weights(parts_.model, plan, parts_.stream);
  apply_plan(parts_.model, plan, parts_.stream);
  // An average of the weights before an edit belongs to another function.
  if (criterion_->edit() != WeightEdit::none && parts_.model.averaged()) {
    parts_.model.restart_averages(parts_.stream);
  }
  norms_.clear();
}

void ModelPruningBackend::zero(const PruningPlan& plan) {
  compare(plan);
  zero_filters(parts_.model, plan, parts_.stream);
}

void ModelPruningBackend::reinitialize() { parts_.model.initialize(options_.seed, parts_.stream); }

StateTree ModelPruningBackend::snapshot() {
  StateTree tree;
  parts_.model.save(StateWriter(tree), parts_.stream);
  return tree;
}

void ModelPruningBackend::rollback(const StateTree& snapshot) {
  parts_.arena.clear();
  parts_.model = Model::load(StateReader(snapshot), parts_.model.device(), parts_.stream);
  norms_.clear();
}

void ModelPruningBackend::save(StateWriter writer) const {
  norms_.save(writer.scope("norm_history"));
  if (hook_ != nullptr) hook_->save(writer.scope("hook"));
}

void ModelPruningBackend::restore(const StateReader& reader) {
  norms_.restore(reader.scope("norm_history"));
  if (hook_ != nullptr) hook_->restore(reader.scope("hook"));
}

NetworkCost ModelPruningBackend::cost() { return cost_of_network(parts_.model.graph()); }

NetworkCost ModelPruningBackend::cost_with(const std::vector<std::int64_t>& widths) {
  const View& v = view();
  require(widths.size() == v.prunable.size(), "expected {} widths, one a layer that may be pruned, got {}",
          v.prunable.size(), widths.size());
  std::vector<std::int64_t> all;
  for (const ChannelSpace& space : v.spaces->spaces()) all.push_back(space.width);
  for (std::size_t l = 0; l < widths.size(); ++l) all[static_cast<std::size_t>(v.prunable[l])] = widths[l];
  return cost_of_network(graph_with_widths(parts_.model.graph(), *v.spaces, all));
}

}  // namespace secateur
