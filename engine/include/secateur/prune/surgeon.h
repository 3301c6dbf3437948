// Surgeon: applies a PruningPlan to a Model in place. It decides nothing.
//
// It plans the smaller slab, gathers every dependent tensor into it (filters, input columns, biases,
// batch-norm rows and running statistics, momentum) in one pass, swaps it inside the same Model object and
// frees the larger slab before it returns. Peak memory is old + new, known beforehand (SurgeryEstimate); a
// failure at any point before the swap leaves the old model whole. Programs compiled for the model refuse to
// run afterwards.
#pragma once

#include <cstdint>
#include <functional>

#include "secateur/prune/pruning_plan.h"
#include "secateur/runtime/model.h"

namespace secateur {

struct SurgeryEstimate {
  std::int64_t bytes_before = 0;
  std::int64_t bytes_after = 0;
  std::int64_t peak_bytes = 0;  // of parameters, while both slabs exist
};

[[nodiscard]] SurgeryEstimate estimate_surgery(const Model& model, const PruningPlan& plan);

// Throws Error for a plan that does not fit the network. An empty plan changes nothing (the generation
// stays).
SurgeryEstimate apply_plan(Model& model, const PruningPlan& plan, Stream& stream);

// Masks instead of removing: what the consumers of the removed channels read is multiplied by zero, by
// zeroing the consumers' weights for these inputs. Outputs equal those of the removed network; widths stay.
// The difference between the two is what `inspect --verify` prints.
void apply_mask(Model& model, const PruningPlan& plan, Stream& stream);

// Sets the filters (and their biases) that the plan would remove to zero, and nothing else: batch norms,
// consumers and momentum stay, so that the filters get gradients and may grow again (He et al. 2018). Not
// what removing them does: the batch norm behind a zeroed filter passes its shift on.
void zero_filters(Model& model, const PruningPlan& plan, Stream& stream);

}  // namespace secateur
