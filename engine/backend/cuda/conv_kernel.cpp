#include "backend/cuda/conv_kernel.h"

#include <algorithm>

#include "backend/cuda/cuda_kernel.h"
#include "backend/cuda/filter_memory.h"
#include "secateur/kernels/channel_gather.h"

namespace secateur {
namespace {

using cuda::part;
using cuda::Parts;

class ConvKernel final : public Kernel {
 public:
  ConvKernel(const KernelSetup& setup, const ConvRuntime& runtime)
      : layer_(setup.node.name),
        runtime_(runtime),
        geometry_(conv_geometry(setup.node, setup.precision, setup.inputs[0], setup.output)),
        element_(size_of(storage_type(setup.precision))),
        has_bias_(setup.parameters.size() > 1),
        filters_(cuda::conv_filters(geometry_, setup.parameters[0].shape)) {
    geometry_.problem.deterministic = true;
    forward_ =
        plan(ConvPass::forward, gives_statistics(setup.node) ? ConvFusion::statistics : ConvFusion::none);
    if (!setup.input_gradient_wanted.empty() && setup.input_gradient_wanted[0]) {
      input_gradient_ = plan(ConvPass::input_gradient);
    }
    if (setup.parameter_gradients_wanted) weight_gradient_ = plan(ConvPass::weight_gradient);
    lay_out_memory();
  }

  KernelMemory memory() const override { return memory_; }

  void forward(const ForwardArguments& a) override {
    const Tensor& y = a.output;
    void* filters = filters_are_saved_ ? a.saved : part(a.workspace, forward_filters_);
    void* masters = a.parameters[0].data;
    if (filters != nullptr) cuda::cast_filters(filters, masters, filters_, runtime_.stream, layer_);
    void* x = compact_input(a.inputs[0], part(a.workspace, forward_input_));
    void* result = geometry_.copies_output ? part(a.workspace, forward_output_) : y.data;
    forward_->run(runtime_.handle, {x,
                                    filters != nullptr ? filters : masters,
                                    result,
                                    part(a.workspace, forward_scratch_),
                                    a.output_sums,
                                    {}});
    if (geometry_.copies_output) spread(y, result);
    if (has_bias_) cuda::add_bias(y, a.parameters[1], runtime_.stream, layer_);
  }

  void backward(const BackwardArguments& a) override {
    void* dy = compact_output(a.output_gradient, part(a.workspace, backward_output_));
    if (weight_gradient_ != nullptr) {
      void* x = compact_input(a.inputs[0], part(a.workspace, backward_input_));
      void* masters = a.parameter_gradients[0].data;
      void* filters = part(a.workspace, backward_filters_);
      weight_gradient_->run(
          runtime_.handle,
          {x, filters != nullptr ? filters : masters, dy, part(a.workspace, backward_scratch_), nullptr, {}});
      if (filters != nullptr) cuda::cast_filters_back(masters, filters, filters_, runtime_.stream, layer_);
      if (has_bias_) {
        cuda::sum_bias_gradient(a.parameter_gradients[1], a.output_gradient,
                                part(a.workspace, backward_sums_), runtime_.stream, layer_);
      }
    }
    if (input_gradient_ == nullptr || a.input_gradients[0].empty()) return;
    const Tensor& dx = a.input_gradients[0];
    void* filters = geometry_.uses_masters() ? a.parameters[0].data : a.saved;
    void* result = geometry_.copies_input ? part(a.workspace, backward_input_) : dx.data;
    input_gradient_->run(runtime_.handle,
                         {result, filters, dy, part(a.workspace, backward_scratch_), nullptr, {}});
    if (geometry_.copies_input) spread(dx, result);
  }

 private:
  [[nodiscard]] std::shared_ptr<const ConvPlan> plan(ConvPass pass,
                                                     ConvFusion fusion = ConvFusion::none) const {
    return plan_of_layer(runtime_, geometry_.pass(pass, fusion), layer_);
  }

  void lay_out_memory() {
    const std::int64_t filters = geometry_.uses_masters() ? 0 : filters_.stored_bytes();
    const std::int64_t input = geometry_.copies_input ? geometry_.problem.input_elements() * element_ : 0;
    const std::int64_t output = geometry_.copies_output ? geometry_.problem.output_elements() * element_ : 0;
    filters_are_saved_ = filters > 0 && input_gradient_ != nullptr;
    Parts forward;
    forward_filters_ = forward.take(filters_are_saved_ ? 0 : filters);
    forward_input_ = forward.take(input);
    forward_output_ = forward.take(output);
    forward_scratch_ = forward.take(forward_->workspace());
    memory_.forward_workspace = forward.bytes();
    memory_.saved = filters_are_saved_ ? filters : 0;
    memory_.backward_needs_inputs = weight_gradient_ != nullptr;

    Parts backward;
    std::int64_t scratch = input_gradient_ != nullptr ? input_gradient_->workspace() : 0;
    backward_output_ = backward.take(output);
    backward_input_ = backward.take(input);
    if (weight_gradient_ != nullptr) {
      backward_filters_ = backward.take(filters);
      if (has_bias_) {
        backward_sums_ =
            backward.take(cuda::bias_gradient_workspace(geometry_.problem.batch, geometry_.out_channels));
      }
      scratch = std::max(scratch, weight_gradient_->workspace());
    }
    backward_scratch_ = backward.take(scratch);
    memory_.backward_workspace = backward.bytes();
  }

  // Rows of a map without its padding lanes, or the map itself where cuDNN reads it as it is.
  void* compact(const Tensor& stored, bool copies, void* dense) const {
    if (!copies) return stored.data;
    const std::int64_t channels = stored.channels();
    move(dense, stored.data, stored.rows(), stored.leading, channels, channels);
    return dense;
  }
  void* compact_input(const Tensor& map, void* dense) const {
    return compact(map, geometry_.copies_input, dense);
  }
  void* compact_output(const Tensor& map, void* dense) const {
    return compact(map, geometry_.copies_output, dense);
  }
  // The way back, with zeros in the padding lanes.
  void spread(const Tensor& stored, const void* dense) const {
    move(stored.data, dense, stored.rows(), stored.channels(), stored.channels(), stored.leading);
  }
  void move(void* out, const void* in, std::int64_t rows, std::int64_t in_columns, std::int64_t columns,
            std::int64_t out_stride) const {
    kernels::GatherSegment segment;
    segment.out = out;
    segment.in = in;
    segment.out_rows = rows;
    segment.in_columns = in_columns;
    segment.out_columns = columns;
    segment.out_stride = out_stride;
    cuda::check(kernels::channel_gather(&segment, 1, static_cast<int>(element_), runtime_.stream), layer_);
  }

  std::string layer_;
  ConvRuntime runtime_;
  ConvGeometry geometry_;
  std::int64_t element_;
  bool has_bias_;
  cuda::FilterLayout filters_;
  std::shared_ptr<const ConvPlan> forward_, input_gradient_, weight_gradient_;
  KernelMemory memory_;
  bool filters_are_saved_ = false;
  std::int64_t forward_filters_ = Parts::kNone, forward_input_ = Parts::kNone, forward_output_ = Parts::kNone,
               forward_scratch_ = Parts::kNone;
  std::int64_t backward_filters_ = Parts::kNone, backward_input_ = Parts::kNone,
               backward_output_ = Parts::kNone, backward_sums_ = Parts::kNone,
               backward_scratch_ = Parts::kNone;
};

}  // namespace

std::shared_ptr<const ConvPlan> plan_of_layer(const ConvRuntime& runtime, const ConvProblem& problem,
                                              const std::string& layer) {
  try {
    return runtime.plans->find(problem);
  } catch (const Error& error) {
    throw Error(fmt::format("layer '{}': {}", layer, error.what()), error.where());
  }
}

std::optional<std::string> why_not_fused(const KernelSetup& setup, const ConvRuntime& runtime,
                                         std::span<const std::pair<ConvPass, ConvFusion>> passes) {
  const auto has_bias = setup.node.attributes.integer_or("bias", 0) != 0;
  if (has_bias) return "the convolution adds a bias";
  ConvGeometry geometry = conv_geometry(setup.node, setup.precision, setup.inputs[0], setup.output);
  geometry.problem.deterministic = true;
  if (geometry.layout != ConvLayout::dense) return "the convolution has groups";
  for (const auto& [pass, fusion] : passes) {
    try {
      static_cast<void>(runtime.plans->find(geometry.pass(pass, fusion)));
    } catch (const Error& error) {
      return error.what();
    }
  }
  return std::nullopt;
}

std::unique_ptr<Kernel> make_conv_kernel(const KernelSetup& setup, const ConvRuntime& runtime) {
  return std::make_unique<ConvKernel>(setup, runtime);
}

}  // namespace secateur
