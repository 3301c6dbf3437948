#include "backend/cuda/norm_act_conv_kernel.h"

#include <algorithm>
#include <array>

#include "backend/cuda/filter_memory.h"
#include "secateur/kernels/batch_norm_sums.h"

namespace secateur {
namespace {

using cuda::part;
using cuda::Parts;

enum Parameter : std::size_t { kScale, kShift, kRunningMean, kRunningVariance, kWeight };

constexpr std::array<std::pair<ConvPass, ConvFusion>, 3> kPasses{
    {{ConvPass::forward, ConvFusion::norm_act},
     {ConvPass::weight_gradient, ConvFusion::norm_act},
     {ConvPass::input_gradient, ConvFusion::norm_act}}};

class NormActConvKernel final : public Kernel {
 public:
  NormActConvKernel(const KernelSetup& setup, const ConvRuntime& runtime)
      : layer_(setup.node.name),
        runtime_(runtime),
        geometry_(conv_geometry(setup.node, setup.precision, setup.inputs[0], setup.output)),
        filters_(cuda::conv_filters(geometry_, setup.parameters[kWeight].shape)),
        epsilon_(static_cast<float>(setup.node.attributes.real_or("epsilon", 1e-5))),
        momentum_(static_cast<float>(setup.node.attributes.real_or("momentum", 0.1))) {
    geometry_.problem.deterministic = true;
    for (std::size_t i = 0; i < kPasses.size(); ++i) {
      plans_.at(i) =
          plan_of_layer(runtime_, geometry_.pass(kPasses.at(i).first, kPasses.at(i).second), layer_);
    }
    lay_out_memory();
  }

  KernelMemory memory() const override { return memory_; }

  void forward(const ForwardArguments& a) override {
    const BatchNormOperands norm = norm_of(a.saved);
    cuda::check(
        kernels::batch_norm_finish_sums(
            {norm.mean, norm.inverse_deviation, norm.scale, norm.shift, norm.factor, norm.offset},
            {a.parameters[kRunningMean].as<float>(), a.parameters[kRunningVariance].as<float>(), momentum_},
            {a.input_sums, a.input_sums + stored_channels()}, a.inputs[0].rows(),
            {a.parameters[kScale].as<float>(), a.parameters[kShift].as<float>(), epsilon_},
            geometry_.in_channels, stored_channels(), runtime_.stream),
        layer_);
    void* filters = part(a.saved, saved_filters_);
    cuda::cast_filters(filters, a.parameters[kWeight].data, filters_, runtime_.stream, layer_);
    plans_[0]->run(runtime_.handle, {a.inputs[0].data, filters, a.output.data,
                                     part(a.workspace, forward_scratch_), a.output_sums, norm});
  }

  void backward(const BackwardArguments& a) override {
    BatchNormOperands norm = norm_of(a.saved);
    const Tensor& x = a.inputs[0];
    const Tensor& dx = a.input_gradients[0];
    void* dy = a.output_gradient.data;
    void* scratch = part(a.workspace, backward_scratch_);

    void* filter_gradient = part(a.workspace, backward_filters_);
    plans_[1]->run(runtime_.handle, {x.data, filter_gradient, dy, scratch, nullptr, norm});
    cuda::cast_filters_back(a.parameter_gradients[kWeight].data, filter_gradient, filters_, runtime_.stream,
                            layer_);

    // Where no lanes are padding cuDNN writes the gradients to their place.
    auto* scale_gradient = a.parameter_gradients[kScale].as<float>();
    auto* shift_gradient = a.parameter_gradients[kShift].as<float>();
    auto* stored_gradients = static_cast<float*>(part(a.workspace, backward_gradients_));
    norm.x = x.data;
    norm.scale_gradient = padded() ? stored_gradients : scale_gradient;
    norm.shift_gradient = padded() ? stored_gradients + stored_channels() : shift_gradient;
    norm.factors = static_cast<float*>(part(a.workspace, backward_factors_));
    plans_[2]->run(runtime_.handle, {dx.data, part(a.saved, saved_filters_), dy, scratch, nullptr, norm});
    if (padded()) {
      copy_channels(scale_gradient, norm.scale_gradient);
      copy_channels(shift_gradient, norm.shift_gradient);
    }
    cuda::check(
        kernels::batch_norm_act_backward_apply(
            dx.data, nullptr, {shift_gradient, scale_gradient}, x.rows(), dx.data, x.data, nullptr,
            {a.parameters[kScale].as<float>(), a.parameters[kShift].as<float>(), epsilon_}, norm.mean,
            norm.inverse_deviation, false,
            {cuda::kernel_type(x.dtype), x.rows(), x.channels(), x.leading, x.leading}, runtime_.stream),
        layer_);
  }

 private:
  [[nodiscard]] std::int64_t stored_channels() const { return geometry_.problem.input.channels; }
  [[nodiscard]] bool padded() const { return stored_channels() != geometry_.in_channels; }

  void lay_out_memory() {
    Parts saved;
    const std::int64_t floats = stored_channels() * size_of(DType::f32);
    for (std::int64_t& place : saved_floats_) place = saved.take(floats);
    for (std::int64_t& place : saved_halves_) place = saved.take(stored_channels() * size_of(DType::f16));
    saved_filters_ = saved.take(filters_.stored_bytes());
    memory_.saved = saved.bytes();

    Parts forward;
    forward_scratch_ = forward.take(plans_[0]->workspace());
    memory_.forward_workspace = forward.bytes();

    Parts backward;
    backward_filters_ = backward.take(filters_.stored_bytes());
    backward_gradients_ = backward.take(padded() ? 2 * floats : 0);
    backward_factors_ = backward.take(3 * floats);
    backward_scratch_ = backward.take(std::max(plans_[1]->workspace(), plans_[2]->workspace()));
    memory_.backward_workspace = backward.bytes();
  }

  // What is kept of the batch norm, in the memory that lives from forward to backward.
  [[nodiscard]] BatchNormOperands norm_of(void* saved) const {
    const auto floats = [&](std::size_t i) { return static_cast<float*>(part(saved, saved_floats_.at(i))); };
    BatchNormOperands norm;
    norm.mean = floats(0);
    norm.inverse_deviation = floats(1);
    norm.scale = floats(2);
    norm.shift = floats(3);
    norm.factor = part(saved, saved_halves_[0]);
    norm.offset = part(saved, saved_halves_[1]);
    return norm;
  }

  void copy_channels(float* out, const float* in) const {
    const std::int64_t channels = geometry_.in_channels;
    cuda::copy_lanes(out, channels, in, channels, 1, channels, 0, DType::f32, runtime_.stream, layer_);
  }

  std::string layer_;
  ConvRuntime runtime_;
  ConvGeometry geometry_;
  cuda::FilterLayout filters_;
  float epsilon_;
  float momentum_;
  std::array<std::shared_ptr<const ConvPlan>, kPasses.size()> plans_;
  KernelMemory memory_;
  std::array<std::int64_t, 4> saved_floats_{};
  std::array<std::int64_t, 2> saved_halves_{};
  std::int64_t saved_filters_ = Parts::kNone, forward_scratch_ = Parts::kNone,
               backward_filters_ = Parts::kNone, backward_gradients_ = Parts::kNone,
               backward_factors_ = Parts::kNone, backward_scratch_ = Parts::kNone;
};

}  // namespace

std::unique_ptr<Kernel> make_norm_act_conv_kernel(const KernelSetup& setup, const ConvRuntime& runtime) {
  return std::make_unique<NormActConvKernel>(setup, runtime);
}

std::optional<std::string> why_no_norm_act_conv(const KernelSetup& setup, const ConvRuntime& runtime) {
  return why_not_fused(setup, runtime, kPasses);
}

}  // namespace secateur
