// The passes of an op with filters, each by whatever way suits the layer's shape; filters.cpp chooses them.
#pragma once

#include <cstdint>
#include <memory>

#include "backend/cpu/rows.h"
#include "secateur/backend/kernel.h"
#include "secateur/backend/open_device.h"

namespace secateur::cpu {

class ForwardPass {
 public:
  virtual ~ForwardPass() = default;
  [[nodiscard]] virtual std::int64_t workspace_bytes() const = 0;
  virtual void run(const ForwardArguments& arguments) = 0;
};

// Of the gradient of the input, or of the parameters.
class BackwardPass {
 public:
  virtual ~BackwardPass() = default;
  [[nodiscard]] virtual std::int64_t workspace_bytes() const = 0;
  virtual void run(const BackwardArguments& arguments) = 0;
};

// Gradients are there when they are wanted.
struct FilterPasses {
  std::unique_ptr<ForwardPass> forward;
  std::unique_ptr<BackwardPass> input_gradient, parameter_gradients;
};

// Registers a kernel whose products oneDNN computes, in fp32 and, where the processor can, bf16.
template <class KernelType>
void register_filter_kernel(std::string_view op) {
  register_kernel(op, DeviceKind::cpu,
                  {.make = [](const KernelSetup& setup) { return std::make_unique<KernelType>(setup); },
                   .unsupported = [](const KernelSetup& setup) -> std::optional<std::string> {
                     auto reason = why_no_precision(DeviceKind::cpu, setup.precision);
                     return reason ? reason : unless_host_maps(setup, {});
                   }});
}

}  // namespace secateur::cpu
