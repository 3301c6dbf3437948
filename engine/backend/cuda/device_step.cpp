#include "backend/cuda/device_step.h"

#include <vector>

#include "backend/cuda/weight_update.h"
#include "secateur/core/error.h"
#include "secateur/kernels/elementwise.h"
#include "secateur/kernels/weight_average.h"

namespace secateur::cuda {
namespace {

void check(const kernels::Status& status) { require(status.ok(), "{}", status.message); }

kernels::ScaledLoss scaled_loss(const DeviceStepStart& start) {
  if (!start.scales_loss) return {};
  return {.value = static_cast<float>(start.loss_scale.value),
          .smallest = static_cast<float>(start.scaling.smallest),
          .largest = static_cast<float>(start.scaling.largest),
          .interval = start.scaling.interval,
          .finite_steps = start.loss_scale.finite_steps,
          .skipped = start.loss_scale.skipped};
}

}  // namespace

CudaDeviceStep::CudaDeviceStep(CudaStream& stream)
    : stream_(stream), state_(stream.device(), sizeof(kernels::StepState)) {}

void CudaDeviceStep::begin(const DeviceStepStart& start) {
  const std::vector<float> rates(start.learning_rates.begin(), start.learning_rates.end());
  const auto bytes = static_cast<std::int64_t>(rates.size() * sizeof(float));
  if (learning_rates_.bytes() < bytes) {
    stream_.synchronize();  // steps that were queued may still read the old ones
    learning_rates_ = Slab();
    learning_rates_ = Slab(stream_.device(), bytes);
  }
  kernels::StepState state;
  state.step = static_cast<std::uint32_t>(start.step);
  state.learning_rates = reinterpret_cast<const float*>(learning_rates_.data());
  state.loss_scale = scaled_loss(start);
  state.sgd.momentum = static_cast<float>(start.momentum);
  state.sgd.nesterov = start.nesterov ? 1 : 0;
  state.averaging = {.decay = start.average_decay, .updates = start.average_updates};
  scales_loss_ = start.scales_loss;
  averages_ = start.average_decay > 0;
  stream_.copy_to_device(learning_rates_.data(), rates.data(), bytes);
  stream_.copy_to_device(state_.data(), &state, sizeof(state));
  stream_.synchronize();  // the host's copies go
}

double* CudaDeviceStep::joint_loss() {
  stream_.copy(&state()->joint_loss, &state()->metrics.loss_sum, sizeof(double));
  return &state()->joint_loss;
}

void CudaDeviceStep::update(const UpdateSlabs& slabs, std::int64_t samples) {
  if (scales_loss_) {
    check(kernels::find_nonfinite(&state()->overflow, slabs.gradients,
                                  {kernels::DType::f32, 1, slabs.elements, slabs.elements},
                                  stream_.handle()));
  }
  check(kernels::settle_step(state(), samples, stream_.handle()));
  queue_weight_update(stream_, slabs, &state()->sgd, &state()->skip);
  if (!averages_) return;
  require(slabs.averages != nullptr, "weights that are averaged need memory for their averages");
  check(kernels::weight_average(static_cast<float*>(slabs.averages), static_cast<const float*>(slabs.weights),
                                slabs.averaged_elements, &state()->averaging.weight, &state()->skip,
                                stream_.handle()));
}

DeviceStepReading CudaDeviceStep::read() {
  kernels::StepState state;
  stream_.copy_to_host(&state, state_.data(), sizeof(state));
  return {.steps = state.taken,
          .samples = state.first,
          .loss_sum = state.metrics.loss_sum,
          .top1 = state.metrics.top1,
          .loss_not_finite = state.halt == kernels::Halt::loss,
          .loss_scale_exhausted = state.halt == kernels::Halt::loss_scale,
          .loss_scale = {static_cast<double>(state.loss_scale.value), state.loss_scale.finite_steps,
                         state.loss_scale.skipped},
          .average_updates = state.averaging.updates};
}

}  // namespace secateur::cuda
