// relu, add, dropout.
#include "backend/cuda/cuda_kernel.h"
#include "backend/cuda/cuda_kernels.h"
#include "secateur/kernels/dropout.h"
#include "secateur/kernels/step_state.h"

namespace secateur::cuda {
namespace {

// Maps of one op share their leading dimension, so that all memory is one row; zeros in padding lanes stay
// zeros under a ReLU and a sum.
class Relu final : public CudaKernel {
 public:
  using CudaKernel::CudaKernel;
  KernelMemory memory() const override {
    return {.backward_needs_inputs = false, .backward_needs_output = true};
  }
  void forward(const ForwardArguments& a) override {
    check(kernels::relu(a.output.data, a.inputs[0].data, storage_of(a.output), handle()));
  }
  void backward(const BackwardArguments& a) override {
    const Tensor& target = a.input_gradients[0];
    if (target.empty()) return;
    check(kernels::relu_backward(target.data, a.output_gradient.data, a.output.data, storage_of(target),
                                 handle()));
  }
};

class Add final : public CudaKernel {
 public:
  using CudaKernel::CudaKernel;
  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }
  void forward(const ForwardArguments& a) override {
    const kernels::ElementwiseShape shape = storage_of(a.output);
    check(kernels::add(a.output.data, a.inputs[0].data, a.inputs[1].data, false, shape, handle()));
    for (std::size_t i = 2; i < a.inputs.size(); ++i) {
      check(kernels::accumulate(a.output.data, a.inputs[i].data, shape, handle()));
    }
  }
  // Programs pass the gradient on without a kernel (Op::passes_gradient); this is for whoever calls the
  // kernel itself.
  void backward(const BackwardArguments& a) override {
    for (const Tensor& target : a.input_gradients) {
      if (!target.empty()) copy_map(target, a.output_gradient, handle(), layer());
    }
  }
};

// The step's number, which keys the mask, lies in `saved` where the host tells it: the backward pass draws
// the same mask again.
class Dropout final : public CudaKernel {
 public:
  explicit Dropout(const KernelSetup& setup)
      : CudaKernel(setup),
        active_(setup.batch_statistics),
        options_{.rate = setup.node.attributes.real_or("rate", 0.5),
                 .layer = static_cast<std::uint32_t>(setup.id),
                 .original_channels =
                     setup.node.attributes.integer_or("original_channels", setup.output.channels())} {
    if (!setup.node.attributes.contains("origin")) return;
    std::vector<std::int32_t> origin;
    for (const std::int64_t unit : setup.node.attributes.integers("origin")) {
      origin.push_back(static_cast<std::int32_t>(unit));
    }
    origin_ = IndexTable(setup.stream, origin);
  }
  KernelMemory memory() const override {
    return {.saved = active_ ? size_of(DType::i32) : 0, .backward_needs_inputs = false};
  }
  void forward(const ForwardArguments& a) override {
    if (active_ && a.step.on_device == nullptr) {
      const auto step = static_cast<std::uint32_t>(a.step.step);
      stream().copy_to_device(a.saved, &step, sizeof(step));
    }
    apply(a.output, a.inputs[0], a.saved, a.step);
  }
  void backward(const BackwardArguments& a) override {
    if (!a.input_gradients[0].empty()) apply(a.input_gradients[0], a.output_gradient, a.saved, a.step);
  }

 private:
  void apply(const Tensor& out, const Tensor& in, const void* saved, const StepState& state) const {
    if (!active_) return copy_map(out, in, handle(), layer());
    const auto* step =
        state.on_device != nullptr ? &state.on_device->step : static_cast<const std::uint32_t*>(saved);
    kernels::DropoutOptions options = options_;
    options.seed = state.seed;
    options.first_row = state.first_sample * (out.rows() / out.shape[0]);
    options.zeroed_channels = out.leading;
    check(kernels::dropout(out.data, in.data, origin_.data(), step, options, channels_of(out), handle()));
  }

  bool active_;
  kernels::DropoutOptions options_;
  IndexTable origin_;
};

}  // namespace

void register_elementwise_kernels() {
  register_kernel_of<Relu>("relu");
  register_kernel_of<Add>("add");
  register_kernel_of<Dropout>("dropout");
}

}  // namespace secateur::cuda
