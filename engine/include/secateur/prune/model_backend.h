// ModelPruningBackend: the pruning loop's hands on a real network - Trainer, Evaluator, Scorer and Surgeon.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "secateur/graph/cost.h"
#include "secateur/prune/cost_measure.h"
#include "secateur/prune/norm_history.h"
#include "secateur/prune/prune_options.h"
#include "secateur/prune/pruning_backend.h"
#include "secateur/prune/scorer.h"
#include "secateur/runtime/program.h"

namespace secateur {

// What the backend works with; everything must outlive it.
struct PruningParts {
  Model& model;
  Arena& arena;
  Stream& stream;
  Trainer& trainer;
  Evaluator& evaluator;
  BatchSource& steering;  // images that the run is steered by: evaluation of each round
  BatchSource& sample;    // training images without augmentation, shuffled by epoch: the scores' sample
  TrainObserver& observer;
  // The unpruned network, which budgets refer to; the model's own graph where it is null.
  const Graph* base = nullptr;
  // The processes that prune together, each with a model of its own: they share the sample that is scored and
  // compare their plans. Trainer and evaluator have the same one. Null: this process alone.
  Communicator* communicator = nullptr;
  // What a budget of memory or latency counts; multiply-adds and parameters need none.
  CostOfGraph budget_cost = {};
};

class ModelPruningBackend final : public PruningBackend {
 public:
  ModelPruningBackend(PruningParts parts, const PruneOptions& options);

  [[nodiscard]] std::vector<SpaceScores> spaces() override;
  [[nodiscard]] std::vector<SpaceScores> score(const CriterionContext& context) override;
  EpochReport train_epoch(const LrPhase& phase, std::int64_t phase_epoch) override;
  EpochReport train_for_removal(const LrPhase& phase, std::int64_t phase_epoch,
                                const HookPlace& place) override;
  [[nodiscard]] Evaluation evaluate() override;
  void apply(const PruningPlan& plan) override;
  void zero(const PruningPlan& plan) override;
  void reinitialize() override;
  [[nodiscard]] StateTree snapshot() override;
  void rollback(const StateTree& snapshot) override;
  void save(StateWriter writer) const override;
  void restore(const StateReader& reader) override;
  [[nodiscard]] NetworkCost cost() override;
  [[nodiscard]] NetworkCost cost_with(const std::vector<std::int64_t>& widths) override;
  [[nodiscard]] NetworkCost base_cost() override { return base_cost_; }

  [[nodiscard]] const Model& model() const { return parts_.model; }

  // What every phase's learning rate is multiplied by, 1 at first: halved where a run went back because of
  // numbers that were not finite.
  [[nodiscard]] double learning_rate_factor() const { return learning_rate_factor_; }
  void set_learning_rate_factor(double factor) { learning_rate_factor_ = factor; }

 private:
  // The channel spaces of the graph as it is and which of them may be pruned, found once a generation.
  struct View {
    std::int64_t generation = -1;
    std::unique_ptr<ChannelSpaces> spaces;
    std::vector<std::int64_t> prunable;
  };
  const View& view();
  [[nodiscard]] NetworkCost cost_of_network(const Graph& graph) const;
  void record_norms();
  void compare(const PruningPlan& plan);
  [[nodiscard]] LrPhase scaled(LrPhase phase) const;

  PruningParts parts_;
  PruneOptions options_;
  Scorer scorer_;
  std::unique_ptr<Criterion> criterion_;
  std::unique_ptr<TrainHook> hook_;  // null where the options name none
  CostOfGraph budgeted_;             // none where the run has no budget
  NetworkCost base_cost_;
  NormHistory norms_;  // empty where the criterion does not ask for it
  View view_;
  double learning_rate_factor_ = 1;
};

}  // namespace secateur
