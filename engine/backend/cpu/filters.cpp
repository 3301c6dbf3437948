// conv2d and linear on oneDNN. Activations are handed over as they lie (NHWC); weights go from KRSC into the
// layout that the primitive asks for on each call, since they change on each step; measured on AVX2, blocked
// activations are slower than that. Every primitive and memory object is made once; a call sets pointers and
// executes.
#include <string_view>

#include "backend/cpu/convolution_operands.h"
#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/onednn_operands.h"
#include "backend/cpu/weight_gradient.h"

namespace secateur::cpu {
namespace {

// What a filter op is to oneDNN. Backward descriptions are there when they are wanted.
struct FilterPlan {
  Description source, destination, weights, bias;
  bool has_bias = false;
  FilterLanes lanes;
  std::optional<dnnl::primitive_desc_base> forward, backward_data, backward_weights;
  std::optional<WeightGradient> own_backward_weights;  // in place of backward_weights
};

class FilterKernel : public Kernel {
 public:
  FilterKernel(const KernelSetup& setup, const FilterPlan& plan)
      : layer_(setup.node.name), stream_(engine()), has_bias_(plan.has_bias) {
    guarded(layer_, [&] {
      forward_.emplace(setup, plan);
      memory_.forward_workspace = forward_->layout.bytes();
      own_backward_weights_ = plan.own_backward_weights;
      const bool weights_wanted = plan.backward_weights || own_backward_weights_;
      if (!plan.backward_data && !weights_wanted) return;
      WorkspaceLayout shared;
      output_gradient_.emplace(setup.output, plan.lanes.padded(), shared);
      // The two passes run one after the other and take the same memory.
      WorkspaceLayout data_layout = shared;
      WorkspaceLayout weights_layout = shared;
      if (plan.backward_data) backward_data_.emplace(setup, plan, data_layout);
      if (plan.backward_weights) backward_weights_.emplace(setup, plan, weights_layout);
      memory_.backward_workspace =
          std::max({data_layout.bytes(), weights_layout.bytes(),
                    own_backward_weights_ ? own_backward_weights_->workspace_bytes() : 0});
      memory_.backward_needs_inputs = weights_wanted;
    });
  }

  KernelMemory memory() const override { return memory_; }

  void forward(const ForwardArguments& arguments) override {
    guarded(layer_, [&] {
      Forward& f = *forward_;
      f.weights.bind(arguments.parameters[0].as<float>(), arguments.workspace);
      f.weights.from_user(stream_);
      f.pass.set(DNNL_ARG_SRC, f.input.read(arguments.inputs[0], arguments.workspace));
      f.pass.set(DNNL_ARG_DST, f.output.target(arguments.output, arguments.workspace));
      if (has_bias_) f.pass.set(DNNL_ARG_BIAS, arguments.parameters[1].as<float>());
      f.pass.run(stream_, arguments.workspace);
      f.output.store(arguments.output, arguments.workspace);
    });
  }

  void backward(const BackwardArguments& arguments) override {
    guarded(layer_, [&] {
      if (own_backward_weights_) {  // before the workspace holds a copy of the gradient
        own_backward_weights_->run(arguments.inputs[0], arguments.output_gradient,
                                   arguments.parameter_gradients[0], arguments.workspace);
      }
      const bool data = backward_data_ && !arguments.input_gradients[0].empty();
      if (!backward_weights_ && !data) return;
      float* gradient = output_gradient_->read(arguments.output_gradient, arguments.workspace);
      if (backward_weights_) weight_gradient(arguments, gradient);
      if (data) input_gradient(arguments, gradient);
    });
  }

 private:
  struct Forward {
    WorkspaceLayout layout;
    Activation input, output;
    Weights weights;
    Pass pass;

    Forward(const KernelSetup& setup, const FilterPlan& plan)
        : input(setup.inputs[0], plan.lanes.padded(), layout),
          output(setup.output, plan.lanes.padded(), layout),
          weights(plan.weights, plan.lanes, plan.forward->query_md(dnnl::query::weights_md), false, layout),
          pass(*plan.forward, layout) {
      pass.add(DNNL_ARG_SRC, unbound(plan.source));
      pass.add(DNNL_ARG_WEIGHTS, weights.memory());
      if (plan.has_bias) pass.add(DNNL_ARG_BIAS, unbound(plan.bias));
      pass.add(DNNL_ARG_DST, unbound(plan.destination));
    }
  };

  struct BackwardData {
    Activation gradient;
    Weights weights;
    Pass pass;

    BackwardData(const KernelSetup& setup, const FilterPlan& plan, WorkspaceLayout& layout)
        : gradient(setup.inputs[0], plan.lanes.padded(), layout),
          weights(plan.weights, plan.lanes, plan.backward_data->query_md(dnnl::query::weights_md), false,
                  layout),
          pass(*plan.backward_data, layout) {
      pass.add(DNNL_ARG_DIFF_DST, unbound(plan.destination));
      pass.add(DNNL_ARG_WEIGHTS, weights.memory());
      pass.add(DNNL_ARG_DIFF_SRC, unbound(plan.source));
    }
  };

  struct BackwardWeights {
    Activation input;
    Weights gradient;
    Pass pass;

    BackwardWeights(const KernelSetup& setup, const FilterPlan& plan, WorkspaceLayout& layout)
        : input(setup.inputs[0], plan.lanes.padded(), layout),
          gradient(plan.weights, plan.lanes, plan.backward_weights->query_md(dnnl::query::diff_weights_md),
                   true, layout),
          pass(*plan.backward_weights, layout) {
      pass.add(DNNL_ARG_SRC, unbound(plan.source));
      pass.add(DNNL_ARG_DIFF_DST, unbound(plan.destination));
      pass.add(DNNL_ARG_DIFF_WEIGHTS, gradient.memory());
      if (plan.has_bias) pass.add(DNNL_ARG_DIFF_BIAS, unbound(plan.bias));
    }
  };

  void weight_gradient(const BackwardArguments& arguments, float* output_gradient) {
    BackwardWeights& b = *backward_weights_;
    b.gradient.bind(arguments.parameter_gradients[0].as<float>(), arguments.workspace);
    b.pass.set(DNNL_ARG_SRC, b.input.read(arguments.inputs[0], arguments.workspace));
    b.pass.set(DNNL_ARG_DIFF_DST, output_gradient);
    if (has_bias_) b.pass.set(DNNL_ARG_DIFF_BIAS, arguments.parameter_gradients[1].as<float>());
    b.pass.run(stream_, arguments.workspace);
    b.gradient.to_user(stream_);
    stream_.wait();
  }

  void input_gradient(const BackwardArguments& arguments, float* output_gradient) {
    BackwardData& b = *backward_data_;
    const Tensor& target = arguments.input_gradients[0];
    b.weights.bind(arguments.parameters[0].as<float>(), arguments.workspace);
    b.weights.from_user(stream_);
    b.pass.set(DNNL_ARG_DIFF_DST, output_gradient);
    b.pass.set(DNNL_ARG_DIFF_SRC, b.gradient.target(target, arguments.workspace));
    b.pass.run(stream_, arguments.workspace);
    b.gradient.store(target, arguments.workspace);
  }

  std::string layer_;
  dnnl::stream stream_;
  bool has_bias_;
  KernelMemory memory_;
  std::optional<Forward> forward_;
  std::optional<Activation> output_gradient_;
  std::optional<BackwardData> backward_data_;
  std::optional<BackwardWeights> backward_weights_;
  std::optional<WeightGradient> own_backward_weights_;
};

dnnl::prop_kind forward_kind(const KernelSetup& setup) {
  return setup.has_backward() ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
}

bool wants_input_gradient(const KernelSetup& setup) {
  return !setup.input_gradient_wanted.empty() && setup.input_gradient_wanted[0];
}

FilterPlan convolution_plan(const KernelSetup& setup) {
  const ConvolutionOperands operands(setup);
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
  if (wants_input_gradient(setup)) {
    plan.backward_data = dnnl::convolution_backward_data::primitive_desc(
        engine(), kDirect, operands.source, operands.any_weights, operands.destination, operands.strides,
        operands.dilations, operands.before, operands.behind, forward, attr);
  }
  if (!setup.parameter_gradients_wanted) return plan;
  if (const auto problem = operands.own_weight_gradient(setup)) {
    plan.own_backward_weights.emplace(*problem);
    return plan;
  }
  dnnl::convolution_backward_weights::primitive_desc backward(
      engine(), kDirect, operands.source, operands.any_weights, bias, operands.destination, operands.strides,
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

FilterPlan linear_plan(const KernelSetup& setup) {
  const std::int64_t samples = setup.inputs[0].rows();
  const Shape& w = setup.parameters[0].shape;
  FilterPlan plan;
  plan.has_bias = setup.parameters.size() > 1;
  plan.source = described({samples, w[1]}, Tag::nc);
  plan.destination = described({samples, w[0]}, Tag::nc);
  plan.bias = described({w[0]}, Tag::x);
  plan.weights = described({w[0], w[1]}, Tag::oi);
  const Description any = described({w[0], w[1]}, Tag::any);
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
        engine(), plan.source, any, bias, plan.destination, forward, attr);
  }
  return plan;
}

class Convolution final : public FilterKernel {
 public:
  explicit Convolution(const KernelSetup& setup)
      : FilterKernel(setup, guarded(setup.node.name, [&] { return convolution_plan(setup); })) {}
};

class Linear final : public FilterKernel {
 public:
  explicit Linear(const KernelSetup& setup)
      : FilterKernel(setup, guarded(setup.node.name, [&] { return linear_plan(setup); })) {}
};

}  // namespace

void register_filter_kernels() {
  register_float32_kernel<Convolution>("conv2d");
  register_float32_kernel<Linear>("linear");
}

}  // namespace secateur::cpu
