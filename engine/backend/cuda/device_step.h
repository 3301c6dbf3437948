// DeviceStep on a GPU: a kernels::StepState and the learning rates of its steps.
#pragma once

#include "backend/cuda/cuda_device.h"
#include "secateur/backend/device_step.h"
#include "secateur/kernels/step_state.h"

namespace secateur::cuda {

class CudaDeviceStep final : public DeviceStep {
 public:
  explicit CudaDeviceStep(CudaStream& stream);

  void begin(const DeviceStepStart& start) override;
  [[nodiscard]] kernels::StepState* state() const override {
    return reinterpret_cast<kernels::StepState*>(state_.data());
  }
  [[nodiscard]] const std::int64_t* place() const override { return &state()->first; }
  [[nodiscard]] double* joint_loss() override;
  void update(const UpdateSlabs& slabs, std::int64_t samples) override;
  [[nodiscard]] DeviceStepReading read() override;

 private:
  CudaStream& stream_;
  Slab state_;
  Slab learning_rates_;  // grows; the state says where it lies
  bool scales_loss_ = false;
  bool averages_ = false;
};

}  // namespace secateur::cuda
