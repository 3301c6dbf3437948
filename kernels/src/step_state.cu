#include "secateur/kernels/step_state.h"

#include "device/checks.h"
#include "device/numeric.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

__device__ __forceinline__ bool is_finite(double value) { return value - value == 0.0; }

// The scale of the next step. False where it would have to be made smaller than it can be.
__device__ __forceinline__ bool adapt(ScaledLoss& scale, bool overflow) {
  if (overflow) {
    if (!(scale.value > scale.smallest)) return false;
    scale.value = greatest(scale.value / 2.0F, scale.smallest);
    scale.finite_steps = 0;
    scale.skipped += 1;
    return true;
  }
  if (scale.interval == 0) return true;
  scale.finite_steps += 1;
  if (scale.finite_steps < scale.interval) return true;
  scale.value = least(scale.value * 2.0F, scale.largest);
  scale.finite_steps = 0;
  return true;
}

// The average's weight in the update that follows.
__device__ __forceinline__ void warm_up(Averaging& averaging) {
  const auto updates = static_cast<double>(averaging.updates);
  averaging.weight = static_cast<float>(1.0 - least(averaging.decay, (1.0 + updates) / (10.0 + updates)));
  averaging.updates += 1;
}

constexpr int kThreads = 1;

__global__ void __launch_bounds__(kThreads) settle_step_kernel(StepState* state, std::int64_t samples) {
  StepState now = *state;
  const bool overflow = now.overflow != 0;
  now.overflow = 0;
  now.skip = 1;
  const bool finite = is_finite(now.metrics.loss_sum) && is_finite(now.joint_loss);
  if (now.halt == Halt::none && !finite) now.halt = Halt::loss;
  if (now.halt == Halt::none) {
    now.sgd.learning_rate = now.learning_rates[now.taken];
    now.sgd.gradient_scale = 1.0F / now.loss_scale.value;
    if (adapt(now.loss_scale, overflow)) {
      now.skip = overflow ? 1 : 0;
      if (!overflow && now.averaging.decay > 0.0) warm_up(now.averaging);
      now.step += 1;
      now.first += samples;
      now.taken += 1;
    } else {
      now.halt = Halt::loss_scale;
    }
  }
  *state = now;
}

}  // namespace

Status settle_step(StepState* state, std::int64_t samples, StreamHandle stream) {
  Check check("settle_step");
  check.pointer("state", state).aligned("state", state, alignof(StepState)).size("samples", samples);
  if (check.failed()) return check.status();
  return launch("settle_step", &settle_step_kernel, {1, 1, 1}, kThreads, 0, stream, state, samples);
}

}  // namespace secateur::kernels
