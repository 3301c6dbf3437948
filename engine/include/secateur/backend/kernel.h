// Kernel registry: how an op computes on a device. Keyed by (op, device); built-in kernels and those from
// outside the project register alike. A Kernel is bound to one node, batch size, precision and mode when a
// Program is compiled, and is told the pointers when it runs: it owns primitives and descriptors, never
// tensors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/core/device.h"
#include "secateur/core/tensor.h"
#include "secateur/graph/op.h"

namespace secateur {

class Communicator;

namespace kernels {
struct StepState;  // secateur/kernels/step_state.h
}

// Arithmetic of compute and activations. Masters, statistics, momentum and scores stay fp32; fp64 is the
// reference's.
enum class Precision : std::uint8_t { fp32, tf32, bf16, fp16, fp64 };
[[nodiscard]] std::string_view name_of(Precision precision);
[[nodiscard]] Precision precision_from_name(std::string_view name);
// Element type of activations.
[[nodiscard]] DType storage_type(Precision precision);

// Values that change from step to step; a kernel reads them when it runs.
struct StepState {
  std::uint64_t seed = 0;
  std::int64_t step = 0;     // of the optimiser, counted over the whole run: keys dropout
  std::int64_t samples = 0;  // valid samples of this batch; 0 means all
  // What the loss is the mean over: those of all processes that share the batch; 0: `samples`.
  std::int64_t batch_samples = 0;
  std::int64_t first_sample = 0;  // where this batch begins in the shared one: keys dropout
  double loss_scale = 1;  // gradients are those of the loss times this: keeps small ones from underflow
  // A DeviceStep's state: then step and loss scale are read there when the work runs, not above, and losses
  // and hits are added to it. Null: the values above.
  kernels::StepState* on_device = nullptr;
};

// All a kernel may know when it is made. Tensors carry shapes and leading dimensions, but no memory yet.
struct KernelSetup {
  const Node& node;
  NodeId id;  // of the node in the stored graph, for keys of random numbers
  Stream& stream;
  Precision precision = Precision::fp32;
  bool batch_statistics =
      false;  // batch norm normalises by the batch and updates running statistics; dropout drops
  std::span<const Tensor> inputs;  // [N, H, W, C] each
  Tensor output;
  std::span<const Tensor> parameters;  // in the order of Op::parameters
  std::span<const bool>
      input_gradient_wanted;  // one an input; all false when the program has no backward pass
  bool parameter_gradients_wanted = false;
  // The processes that share the batch whose statistics batch_statistics means; null: this one alone. Each
  // kernel of a program calls it in the program's order. Parameter gradients stay those of the own part.
  Communicator* batch_shared_by = nullptr;
  [[nodiscard]] bool has_backward() const;
};

// Memory that a kernel needs beyond its inputs and output. `saved` lives from the node's forward to its
// backward pass; workspaces live for one call. needs_*: what must still be there in the backward pass.
struct KernelMemory {
  std::int64_t forward_workspace = 0;
  std::int64_t backward_workspace = 0;
  std::int64_t saved = 0;
  bool backward_needs_inputs = true;
  bool backward_needs_output = false;
};

struct ForwardArguments {
  std::span<const Tensor> inputs;
  Tensor output;
  std::span<const Tensor> parameters;  // running statistics are updated in place under batch_statistics
  void* saved = nullptr;
  void* workspace = nullptr;
  const StepState& step;
  // Sums of a map's channels and of their squares, [2, stored channels], zeros for padding lanes: of the
  // first input where the node takes them, of the output where it gives them (graph/conv_fusion.h); else
  // null.
  const float* input_sums = nullptr;
  float* output_sums = nullptr;
};

// Gradients are overwritten, not added to. An input gradient that is not wanted has no memory
// (Tensor::empty()).
struct BackwardArguments {
  std::span<const Tensor> inputs;  // empty tensors where backward_needs_inputs is false
  Tensor output;                   // empty unless backward_needs_output
  std::span<const Tensor> parameters;
  Tensor output_gradient;
  std::span<const Tensor> input_gradients;
  std::span<const Tensor>
      parameter_gradients;  // in the order of Op::parameters; empty tensors for statistics
  void* saved = nullptr;
  void* workspace = nullptr;
  const StepState& step;
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  [[nodiscard]] virtual KernelMemory memory() const { return {}; }
  virtual void forward(const ForwardArguments& arguments) = 0;
  // Only called when the setup has a backward pass.
  virtual void backward(const BackwardArguments& arguments) = 0;
};

using KernelFactory = std::function<std::unique_ptr<Kernel>(const KernelSetup&)>;

struct KernelEntry {
  KernelFactory make;
  // A reason why this setup cannot run here, or nothing when it can.
  std::function<std::optional<std::string>(const KernelSetup&)> unsupported;
};

// Throws Error when (op, device) is taken.
void register_kernel(std::string_view op, DeviceKind device, KernelEntry entry);
// Throws Error that names op, device and reason when there is no kernel or it does not support the setup.
[[nodiscard]] std::unique_ptr<Kernel> make_kernel(const KernelSetup& setup);
[[nodiscard]] bool has_kernel(std::string_view op, DeviceKind device);
// Why make_kernel would throw for this setup: that there is no kernel, or the kernel's own reason; nothing
// where it would not.
[[nodiscard]] std::optional<std::string> why_no_kernel(const KernelSetup& setup);

// Makes the built-in ops and the kernels of the host devices known (idempotent, thread-safe). Every entry
// point of the engine calls it, so that a static library cannot lose its registrations to the linker.
void register_builtin_kernels();

}  // namespace secateur
