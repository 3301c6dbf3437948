// The scalars of a training step in device memory. What changes from step to step is read and written there,
// so that a whole step can be captured into a CUDA graph once and launched again and again, without the host
// looking at anything in between.
//
// A step runs, in this order, on one stream:
//   augment                 reads first
//   dropout                 reads step
//   softmax_cross_entropy   adds to metrics in the forward pass; device_scale = &loss_scale.value in the
//                           backward pass
//   find_nonfinite          over the gradients, into overflow (where the loss is scaled)
//   settle_step             decides whether the weights are updated and moves everything on
//   sgd_momentum            reads sgd and skip
//   weight_average          reads averaging.weight and skip (where weights are averaged)
//
// The host writes the struct before the first step, and may read it after any. What is the same in every step
// (seeds, sizes, rates of dropout) are launch arguments.
#pragma once

#include <cstdint>

#include "secateur/kernels/sgd_momentum.h"
#include "secateur/kernels/softmax_cross_entropy.h"
#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

// Dynamic loss scaling (Micikevicius et al. 2018): halved after a step whose gradients overflowed, doubled
// after `interval` steps in a row that did not.
struct ScaledLoss {
  float value = 1.0F;
  float smallest = 1.0F;
  float largest = 1.0F;
  std::int64_t interval = 0;      // 0: the scale never changes
  std::int64_t finite_steps = 0;  // since it last changed
  std::int64_t skipped = 0;       // steps that were not taken
};

// Exponential moving average of the weights, with a decay that warms up: after t updates it is
// min(decay, (1 + t) / (10 + t)).
struct Averaging {
  double decay = 0.0;        // 0: nothing is averaged
  std::int64_t updates = 0;  // so far
  float weight = 0.0F;       // 1 minus the decay of the update in hand, set by settle_step
};

// Why no further step is taken until the host has looked.
enum class Halt : std::int32_t {
  none,
  loss,        // a loss was not finite
  loss_scale,  // gradients overflowed at the smallest loss scale
};

struct StepState {
  // Of the step that is next, or running.
  std::uint32_t step = 0;                 // of the optimiser, over the whole run
  std::int64_t first = 0;                 // place of its batch in the epoch's order
  std::int64_t taken = 0;                 // steps settled; its place in learning_rates
  const float* learning_rates = nullptr;  // in device memory
  ScaledLoss loss_scale;
  Averaging averaging;

  // Set during a step.
  std::int32_t overflow = 0;  // gradients are not finite
  std::int32_t skip = 0;      // weights are left alone
  SgdStep sgd;                // momentum and nesterov are the host's, the rest is set by settle_step

  // Summed up since the host wrote the struct.
  LossMetrics metrics;
  // Where several processes share the batches: the sum of their metrics.loss_sum, brought here before
  // settle_step, so that a loss that is not finite in one of them halts all. Else 0.
  double joint_loss = 0.0;
  Halt halt = Halt::none;
};

// Between a step's gradients and its update. Where all is well: sgd gets the step's learning rate and takes
// the loss scale out, averaging its weight, skip is cleared, and step, first (by `samples`), taken and the
// loss scale are those of the next step. Gradients that overflowed: the same, but skip is set. A loss (or a
// joint loss) that is not finite, or an overflow at the smallest scale: halt and skip are set, nothing moves,
// and every later step settles like this one. One thread.
[[nodiscard]] Status settle_step(StepState* state, std::int64_t samples, StreamHandle stream);

}  // namespace secateur::kernels
