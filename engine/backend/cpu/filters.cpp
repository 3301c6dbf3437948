// conv2d and linear: which way each of their passes takes. Convolutions go by Winograd's filtering or an own
// loop where the layer's shape makes that the faster way, everything else on oneDNN.
#include <string_view>

#include "backend/cpu/convolution_operands.h"
#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/onednn_passes.h"
#include "backend/cpu/weight_gradient.h"
#include "backend/cpu/winograd_passes.h"
#include "backend/cpu/winograd_weight_gradient.h"

namespace secateur::cpu {
namespace {

class FilterKernel : public Kernel {
 public:
  FilterKernel(const KernelSetup& setup, FilterPasses (*passes)(const KernelSetup&))
      : layer_(setup.node.name), passes_(guarded(layer_, [&] { return passes(setup); })) {}

  // The two passes of the gradient run one after the other and take the same memory.
  KernelMemory memory() const override {
    KernelMemory memory;
    memory.forward_workspace = passes_.forward->workspace_bytes();
    for (const auto* pass : {passes_.input_gradient.get(), passes_.parameter_gradients.get()}) {
      if (pass != nullptr) {
        memory.backward_workspace = std::max(memory.backward_workspace, pass->workspace_bytes());
      }
    }
    memory.backward_needs_inputs = passes_.parameter_gradients != nullptr;
    return memory;
  }

  void forward(const ForwardArguments& arguments) override {
    guarded(layer_, [&] { passes_.forward->run(arguments); });
  }

  void backward(const BackwardArguments& arguments) override {
    guarded(layer_, [&] {
      if (passes_.parameter_gradients) passes_.parameter_gradients->run(arguments);
      if (passes_.input_gradient && !arguments.input_gradients[0].empty()) {
        passes_.input_gradient->run(arguments);
      }
    });
  }

 private:
  std::string layer_;
  FilterPasses passes_;
};

// The own loop over weight gradients as a pass.
class LoopGradient final : public BackwardPass {
 public:
  explicit LoopGradient(const WeightGradientProblem& problem) : gradient_(problem) {}
  std::int64_t workspace_bytes() const override { return gradient_.workspace_bytes(); }
  void run(const BackwardArguments& arguments) override {
    gradient_.run(arguments.inputs[0], arguments.output_gradient, arguments.parameter_gradients[0],
                  arguments.workspace);
  }

 private:
  WeightGradient gradient_;
};

dnnl::prop_kind forward_kind(const KernelSetup& setup) {
  return setup.has_backward() ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
}

bool wants_input_gradient(const KernelSetup& setup) {
  return !setup.input_gradient_wanted.empty() && setup.input_gradient_wanted[0];
}

// What oneDNN is asked for beside the forward pass.
struct WantedOfOneDnn {
  bool input_gradient, parameter_gradients;
};

FilterPlan convolution_plan(const KernelSetup& setup, const ConvolutionOperands& operands,
                            const WantedOfOneDnn& wanted) {
  FilterPlan plan;
  plan.has_bias = setup.parameters.size() > 1;
  plan.lanes = operands.lanes;
  plan.source = operands.source;
  plan.destination = operands.destination;
  plan.weights = operands.weights;
  plan.bias = described({setup.output.channels()}, Tag::x);
  const Description bias = plan.has_bias ? plan.bias : Description();
  const dnnl::primitive_attr attr = user_scratchpad();
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;

  const dnnl::convolution_forward::primitive_desc forward(
      engine(), forward_kind(setup), kDirect, operands.source, operands.any_weights, bias,
      operands.destination, operands.strides, operands.dilations, operands.before, operands.behind, attr);
  plan.forward = forward;
  if (wanted.input_gradient) {
    plan.backward_data = dnnl::convolution_backward_data::primitive_desc(
        engine(), kDirect, operands.source, operands.any_weights, operands.destination, operands.strides,
        operands.dilations, operands.before, operands.behind, forward, attr);
  }
  if (!wanted.parameter_gradients) return plan;
  dnnl::convolution_backward_weights::primitive_desc backward(
      engine(), kDirect, operands.source, operands.any_gradient, bias, operands.destination, operands.strides,
      operands.dilations, operands.before, operands.behind, forward, attr);
  // oneDNN 3.2's jit_1x1:avx2 computes wrong weight gradients for strided 1x1 convolutions on several
  // threads when the channels are no multiple of 8, which is what pruning leaves of projection shortcuts.
  const bool strided = operands.strides[0] > 1 || operands.strides[1] > 1;
  while (strided && std::string_view(backward.impl_info_str()).starts_with("jit_1x1")) {
    require(backward.next_impl(), "oneDNN has no sound weight gradient for a strided 1x1 layer");
  }
  plan.backward_weights = backward;
  return plan;
}

// Every pass that an own way takes, and oneDNN for the others.
FilterPasses convolution_passes(const KernelSetup& setup) {
  const ConvolutionOperands operands(setup);
  const bool input_gradient = wants_input_gradient(setup);
  FilterPasses passes;
  if (const auto layer = operands.winograd(setup); layer && setup.parameters.size() == 1) {
    if (WinogradConvolution::takes(*layer)) passes.forward = winograd_forward(*layer);
    if (input_gradient && WinogradConvolution::takes(layer->of_input_gradient())) {
      passes.input_gradient = winograd_input_gradient(*layer);
    }
    if (setup.parameter_gradients_wanted && WinogradWeightGradient::takes(*layer)) {
      passes.parameter_gradients = winograd_weight_gradient(*layer);
    }
  }
  if (setup.parameter_gradients_wanted && !passes.parameter_gradients) {
    if (const auto problem = operands.own_weight_gradient(setup)) {
      passes.parameter_gradients = std::make_unique<LoopGradient>(*problem);
    }
  }
  const FilterPlan plan = convolution_plan(setup, operands,
                                           {input_gradient && !passes.input_gradient,
                                            setup.parameter_gradients_wanted && !passes.parameter_gradients});
  if (!passes.forward) passes.forward = onednn_forward(setup, plan);
  if (plan.backward_data) passes.input_gradient = onednn_input_gradient(setup, plan);
  if (plan.backward_weights) passes.parameter_gradients = onednn_parameter_gradients(setup, plan);
  return passes;
}

FilterPasses linear_passes(const KernelSetup& setup) {
  const std::int64_t samples = setup.inputs[0].rows();
  const Shape& w = setup.parameters[0].shape;
  FilterPlan plan;
  plan.has_bias = setup.parameters.size() > 1;
  const ElementType maps = map_type(setup.precision);
  plan.source = described({samples, w[1]}, Tag::nc, maps);
  plan.destination = described({samples, w[0]}, Tag::nc, maps);
  plan.bias = described({w[0]}, Tag::x);
  plan.weights = described({w[0], w[1]}, Tag::oi);
  const Description any = described({w[0], w[1]}, Tag::any, maps);
  const Description bias = plan.has_bias ? plan.bias : Description();
  const dnnl::primitive_attr attr = user_scratchpad();

  const dnnl::inner_product_forward::primitive_desc forward(engine(), forward_kind(setup), plan.source, any,
                                                            bias, plan.destination, attr);
  plan.forward = forward;
  if (wants_input_gradient(setup)) {
    plan.backward_data = dnnl::inner_product_backward_data::primitive_desc(engine(), plan.source, any,
                                                                           plan.destination, forward, attr);
  }
  if (setup.parameter_gradients_wanted) {
    plan.backward_weights = dnnl::inner_product_backward_weights::primitive_desc(
        engine(), plan.source, described({w[0], w[1]}, Tag::any), bias, plan.destination, forward, attr);
  }
  FilterPasses passes;
  passes.forward = onednn_forward(setup, plan);
  if (plan.backward_data) passes.input_gradient = onednn_input_gradient(setup, plan);
  if (plan.backward_weights) passes.parameter_gradients = onednn_parameter_gradients(setup, plan);
  return passes;
}

class Convolution final : public FilterKernel {
 public:
  explicit Convolution(const KernelSetup& setup) : FilterKernel(setup, convolution_passes) {}
};

class Linear final : public FilterKernel {
 public:
  explicit Linear(const KernelSetup& setup) : FilterKernel(setup, linear_passes) {}
};

}  // namespace

void register_filter_kernels() {
  register_filter_kernel<Convolution>("conv2d");
  register_filter_kernel<Linear>("linear");
}

}  // namespace secateur::cpu
