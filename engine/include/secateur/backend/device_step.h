// DeviceStep: what changes from step to step of training, in device memory: the step's number, the place in
// the epoch, the learning rate, the loss scale, and what the steps add up. With it a step runs, and is
// recorded and replayed (Stream::record), without the host deciding or looking at anything in between.
//
// A step is: input at place() -> forward and backward with StepState::on_device = state() -> update().
#pragma once

#include <cstdint>
#include <span>

#include "secateur/backend/update.h"

namespace secateur {

namespace kernels {
struct StepState;  // secateur/kernels/step_state.h
}

// How a loss scale is adapted, as train/loss_scale.h says.
struct LossScaleOptions {
  double start = 65536;
  double smallest = 1;
  double largest = 16777216;
  std::int64_t interval = 2000;
};

// Where a loss scale stands.
struct LossScaleState {
  double value = 1;
  std::int64_t finite_steps = 0;  // since the factor last changed
  std::int64_t skipped = 0;       // steps that were not taken
};

// Where a series of steps begins.
struct DeviceStepStart {
  std::int64_t step = 0;                   // of the optimiser, over the whole run
  std::span<const double> learning_rates;  // one a step of the series
  double momentum = 0;
  bool nesterov = false;
  bool scales_loss = false;  // false: the loss is not scaled, and gradients are not looked at
  LossScaleOptions scaling;
  LossScaleState loss_scale;
  double average_decay = 0;          // of the averaged weights (train/weight_average.h); 0: none are kept
  std::int64_t average_updates = 0;  // before the series
};

// What a series has come to. A step that halts is not taken, and no step after it is: weights, momentum and
// place are those before it.
struct DeviceStepReading {
  std::int64_t steps = 0;    // taken, those whose gradients overflowed among them
  std::int64_t samples = 0;  // of those steps
  double loss_sum = 0;
  std::int64_t top1 = 0;
  bool loss_not_finite = false;       // halted
  bool loss_scale_exhausted = false;  // halted: gradients overflowed at the smallest scale
  LossScaleState loss_scale;
  std::int64_t average_updates = 0;
};

class DeviceStep {
 public:
  virtual ~DeviceStep() = default;
  DeviceStep(const DeviceStep&) = delete;
  DeviceStep& operator=(const DeviceStep&) = delete;

  // Writes the state, and waits for it. What was recorded with this state stays valid.
  virtual void begin(const DeviceStepStart& start) = 0;

  [[nodiscard]] virtual kernels::StepState* state() const = 0;
  // Place of the step's first sample in the epoch, in device memory.
  [[nodiscard]] virtual const std::int64_t* place() const = 0;

  // For processes that share the batches, between forward pass and update(): queues a copy of the loss that
  // this process has summed up, and says where in device memory it lies (f64), to be summed over all of them.
  // One that is not finite then halts all.
  [[nodiscard]] virtual double* joint_loss() = 0;

  // Updates the weights, unless loss or gradients forbid it, and moves the state on by a step of `samples`
  // (of the whole batch, where processes share it).
  // May be recorded: the segments are kept as they are then.
  virtual void update(const UpdateSlabs& slabs, std::int64_t samples) = 0;

  // Waits for the steps that were queued.
  [[nodiscard]] virtual DeviceStepReading read() = 0;

 protected:
  DeviceStep() = default;
};

}  // namespace secateur
