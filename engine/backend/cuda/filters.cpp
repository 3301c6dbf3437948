// conv2d, norm_act_conv2d and linear.
#include <array>

#include "backend/cuda/conv_kernel.h"
#include "backend/cuda/cuda_kernel.h"
#include "backend/cuda/cuda_kernels.h"
#include "backend/cuda/filter_memory.h"
#include "backend/cuda/matmul.h"
#include "backend/cuda/norm_act_conv_kernel.h"

namespace secateur::cuda {
namespace {

// y = x W^T + b. In fp32 and tf32 the masters are read as they are. In 16 bits each forward pass makes
// filters [stored K, stored F] from them, so that every row is aligned and padding lanes come out as zeros;
// they stay until the backward pass. The weight gradient is written in fp32 at once.
class Linear final : public CudaKernel {
 public:
  explicit Linear(const KernelSetup& setup)
      : CudaKernel(setup),
        uses_masters_(storage_type(setup.precision) == DType::f32),
        has_bias_(setup.parameters.size() > 1),
        parameters_wanted_(setup.parameter_gradients_wanted),
        input_wanted_(!setup.input_gradient_wanted.empty() && setup.input_gradient_wanted[0]),
        samples_(setup.output.rows()),
        layout_(layout_of(setup)),
        forward_(forward_shape(setup)),
        input_gradient_(input_gradient_shape(setup)),
        weight_gradient_(weight_gradient_shape(setup)) {
    filters_are_saved_ = !uses_masters_ && input_wanted_;
    Parts forward;
    forward_filters_ = forward.take(uses_masters_ || filters_are_saved_ ? 0 : layout_.stored_bytes());
    forward_scratch_ = forward.take(Matmul::kWorkspace);
    memory_.forward_workspace = forward.bytes();
    memory_.saved = filters_are_saved_ ? layout_.stored_bytes() : 0;
    memory_.backward_needs_inputs = parameters_wanted_;
    Parts backward;
    if (parameters_wanted_ && has_bias_) {
      backward_sums_ = backward.take(bias_gradient_workspace(samples_, layout_.rows));
    }
    if (setup.has_backward()) backward_scratch_ = backward.take(Matmul::kWorkspace);
    memory_.backward_workspace = backward.bytes();
  }

  KernelMemory memory() const override { return memory_; }

  void forward(const ForwardArguments& a) override {
    const Tensor& y = a.output;
    const void* filters = a.parameters[0].data;
    if (!uses_masters_) {
      void* cast = filters_are_saved_ ? a.saved : part(a.workspace, forward_filters_);
      cast_filters(cast, filters, layout_, handle(), layer());
      filters = cast;
    } else if (!y.dense()) {
      stream().zero(y.data, y.stored_bytes());
    }
    forward_.run(stream().cublas_lt(), handle(), a.inputs[0].data, filters, y.data,
                 part(a.workspace, forward_scratch_));
    if (has_bias_) add_bias(y, a.parameters[1], handle(), layer());
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& dy = a.output_gradient;
    void* scratch = part(a.workspace, backward_scratch_);
    if (parameters_wanted_) {
      weight_gradient_.run(stream().cublas_lt(), handle(), dy.data, a.inputs[0].data,
                           a.parameter_gradients[0].data, scratch);
      if (has_bias_) {
        sum_bias_gradient(a.parameter_gradients[1], dy, part(a.workspace, backward_sums_), handle(), layer());
      }
    }
    const Tensor& dx = a.input_gradients[0];
    if (!input_wanted_ || dx.empty()) return;
    if (uses_masters_ && !dx.dense()) stream().zero(dx.data, dx.stored_bytes());
    input_gradient_.run(stream().cublas_lt(), handle(), dy.data,
                        uses_masters_ ? a.parameters[0].data : a.saved, dx.data, scratch);
  }

 private:
  static FilterLayout layout_of(const KernelSetup& setup) {
    const Shape& w = setup.parameters[0].shape;
    return {storage_type(setup.precision), w[0], w[1], setup.output.leading, setup.inputs[0].leading};
  }

  // Widths that take part in a product: the stored ones where padding lanes are to come out as zeros.
  [[nodiscard]] std::int64_t outputs() const { return uses_masters_ ? layout_.rows : layout_.stored_rows; }
  [[nodiscard]] std::int64_t features() const {
    return uses_masters_ ? layout_.columns : layout_.stored_columns;
  }

  [[nodiscard]] MatmulShape forward_shape(const KernelSetup& setup) const {
    const DType type = layout_.type;
    return {.m = samples_,
            .n = outputs(),
            .k = features(),
            .a = {type, setup.inputs[0].leading, false},
            .b = {type, features(), true},
            .out_type = type,
            .out_leading = setup.output.leading,
            .precision = setup.precision};
  }
  [[nodiscard]] MatmulShape input_gradient_shape(const KernelSetup& setup) const {
    const DType type = layout_.type;
    return {.m = samples_,
            .n = features(),
            .k = outputs(),
            .a = {type, setup.output.leading, false},
            .b = {type, features(), false},
            .out_type = type,
            .out_leading = setup.inputs[0].leading,
            .precision = setup.precision};
  }
  [[nodiscard]] MatmulShape weight_gradient_shape(const KernelSetup& setup) const {
    const DType type = layout_.type;
    return {.m = layout_.rows,
            .n = layout_.columns,
            .k = samples_,
            .a = {type, setup.output.leading, true},
            .b = {type, setup.inputs[0].leading, false},
            .out_type = DType::f32,
            .out_leading = layout_.columns,
            .precision = setup.precision};
  }

  bool uses_masters_;
  bool has_bias_;
  bool parameters_wanted_;
  bool input_wanted_;
  bool filters_are_saved_ = false;
  std::int64_t samples_;
  FilterLayout layout_;
  Matmul forward_;
  Matmul input_gradient_;
  Matmul weight_gradient_;
  KernelMemory memory_;
  std::int64_t forward_filters_ = Parts::kNone, forward_scratch_ = Parts::kNone;
  std::int64_t backward_sums_ = Parts::kNone, backward_scratch_ = Parts::kNone;
};

ConvRuntime conv_runtime(const KernelSetup& setup) {
  CudaStream& stream = cuda_stream(setup.stream);
  return {&stream.conv_plans(), stream.cudnn(), stream.handle()};
}

std::optional<std::string> why_no_convolution(const KernelSetup& setup) {
  constexpr std::array<std::pair<ConvPass, ConvFusion>, 1> kStatistics{
      {{ConvPass::forward, ConvFusion::statistics}}};
  if (auto reason = unless_stored_as_expected(setup, setup.inputs.size())) return reason;
  if (!gives_statistics(setup.node)) return std::nullopt;
  return why_not_fused(setup, conv_runtime(setup), kStatistics);
}

}  // namespace

void register_filter_kernels() {
  register_kernel(
      "conv2d", DeviceKind::cuda,
      {.make = [](const KernelSetup& setup) { return make_conv_kernel(setup, conv_runtime(setup)); },
       .unsupported = why_no_convolution});
  register_kernel(
      "norm_act_conv2d", DeviceKind::cuda,
      {.make = [](const KernelSetup& setup) { return make_norm_act_conv_kernel(setup, conv_runtime(setup)); },
       .unsupported = [](const KernelSetup& setup) -> std::optional<std::string> {
         if (auto reason = unless_stored_as_expected(setup, setup.inputs.size())) return reason;
         return why_no_norm_act_conv(setup, conv_runtime(setup));
       }});
  register_kernel_of<Linear>("linear");
}

}  // namespace secateur::cuda
