// PruningBackend: what the pruning loop needs of a network and its training. The loop decides, the backend
// does; tests drive the loop with scripted accuracies.
#pragma once

#include <cstdint>
#include <vector>

#include "secateur/io/state_tree.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/pruning_plan.h"
#include "secateur/prune/rate_policy.h"
#include "secateur/train/evaluator.h"
#include "secateur/train/lr_schedule.h"
#include "secateur/train/train_hook.h"
#include "secateur/train/trainer.h"

namespace secateur {

// Of the network as it is, or as it would be.
struct NetworkCost {
  std::int64_t parameters = 0;
  std::int64_t macs = 0;
  double budgeted = 0;  // by the budget's measure; 0 where the run has no budget
  bool operator==(const NetworkCost&) const = default;
};

class PruningBackend {
 public:
  virtual ~PruningBackend() = default;

  // The prunable spaces in order, without scores.
  [[nodiscard]] virtual std::vector<SpaceScores> spaces() = 0;
  // The same with scores and orders of removal.
  [[nodiscard]] virtual std::vector<SpaceScores> score(const CriterionContext& context) = 0;

  virtual EpochReport train_epoch(const LrPhase& phase, std::int64_t phase_epoch) = 0;
  // An epoch before a removal: with the training hook of the options, where there is one.
  virtual EpochReport train_for_removal(const LrPhase& phase, std::int64_t phase_epoch,
                                        const HookPlace& /*place*/) {
    return train_epoch(phase, phase_epoch);
  }
  // On the images that steer the run.
  [[nodiscard]] virtual Evaluation evaluate() = 0;

  virtual void apply(const PruningPlan& plan) = 0;
  // Sets to zero the filters that the plan would remove; widths stay, and the filters go on training.
  virtual void zero(const PruningPlan& plan) = 0;
  // New weights, as at the start of a training from scratch.
  virtual void reinitialize() = 0;
  // Everything that a removal changes, and back. The counters of training are no part of it: they go on.
  [[nodiscard]] virtual StateTree snapshot() = 0;
  virtual void rollback(const StateTree& snapshot) = 0;

  // What the backend gathers between removals, beside the network and the trainer: part of the loop's state.
  // A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
  virtual void save(StateWriter /*writer*/) const {}
  virtual void restore(const StateReader& /*reader*/) {}

  [[nodiscard]] virtual NetworkCost cost() = 0;
  // With these widths of the prunable spaces, in their order.
  [[nodiscard]] virtual NetworkCost cost_with(const std::vector<std::int64_t>& widths) = 0;
  // Of the unpruned network.
  [[nodiscard]] virtual NetworkCost base_cost() = 0;
};

}  // namespace secateur
