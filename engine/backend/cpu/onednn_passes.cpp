#include "backend/cpu/onednn_passes.h"

#include "backend/cpu/cpu_kernels.h"

namespace secateur::cpu {
namespace {

class Forward final : public ForwardPass {
 public:
  Forward(const KernelSetup& setup, const FilterPlan& plan)
      : stream_(engine()),
        has_bias_(plan.has_bias),
        input_(setup.inputs[0], plan.lanes.padded(), layout_),
        output_(setup.output, plan.lanes.padded(), layout_),
        weights_(plan.weights, plan.lanes, plan.forward->query_md(dnnl::query::weights_md), false, layout_),
        pass_(*plan.forward, layout_) {
    pass_.add(DNNL_ARG_SRC, unbound(plan.source));
    pass_.add(DNNL_ARG_WEIGHTS, weights_.memory());
    if (plan.has_bias) pass_.add(DNNL_ARG_BIAS, unbound(plan.bias));
    pass_.add(DNNL_ARG_DST, unbound(plan.destination));
  }

  std::int64_t workspace_bytes() const override { return layout_.bytes(); }

  void run(const ForwardArguments& arguments) override {
    weights_.bind(arguments.parameters[0].as<float>(), arguments.workspace);
    weights_.from_user(stream_);
    pass_.set(DNNL_ARG_SRC, input_.read(arguments.inputs[0], arguments.workspace));
    pass_.set(DNNL_ARG_DST, output_.target(arguments.output, arguments.workspace));
    if (has_bias_) pass_.set(DNNL_ARG_BIAS, arguments.parameters[1].as<float>());
    pass_.run(stream_, arguments.workspace);
    output_.store(arguments.output, arguments.workspace);
  }

 private:
  WorkspaceLayout layout_;
  dnnl::stream stream_;
  bool has_bias_;
  Activation input_, output_;
  Weights weights_;
  Pass pass_;
};

class InputGradient final : public BackwardPass {
 public:
  InputGradient(const KernelSetup& setup, const FilterPlan& plan)
      : stream_(engine()),
        output_gradient_(setup.output, plan.lanes.padded(), layout_),
        gradient_(setup.inputs[0], plan.lanes.padded(), layout_),
        weights_(plan.weights, plan.lanes, plan.backward_data->query_md(dnnl::query::weights_md), false,
                 layout_),
        pass_(*plan.backward_data, layout_) {
    pass_.add(DNNL_ARG_DIFF_DST, unbound(plan.destination));
    pass_.add(DNNL_ARG_WEIGHTS, weights_.memory());
    pass_.add(DNNL_ARG_DIFF_SRC, unbound(plan.source));
  }

  std::int64_t workspace_bytes() const override { return layout_.bytes(); }

  void run(const BackwardArguments& arguments) override {
    const Tensor& target = arguments.input_gradients[0];
    weights_.bind(arguments.parameters[0].as<float>(), arguments.workspace);
    weights_.from_user(stream_);
    pass_.set(DNNL_ARG_DIFF_DST, output_gradient_.read(arguments.output_gradient, arguments.workspace));
    pass_.set(DNNL_ARG_DIFF_SRC, gradient_.target(target, arguments.workspace));
    pass_.run(stream_, arguments.workspace);
    gradient_.store(target, arguments.workspace);
  }

 private:
  WorkspaceLayout layout_;
  dnnl::stream stream_;
  Activation output_gradient_, gradient_;
  Weights weights_;
  Pass pass_;
};

class ParameterGradients final : public BackwardPass {
 public:
  ParameterGradients(const KernelSetup& setup, const FilterPlan& plan)
      : stream_(engine()),
        has_bias_(plan.has_bias),
        output_gradient_(setup.output, plan.lanes.padded(), layout_),
        input_(setup.inputs[0], plan.lanes.padded(), layout_),
        weights_(plan.weights, plan.lanes, plan.backward_weights->query_md(dnnl::query::diff_weights_md),
                 true, layout_),
        pass_(*plan.backward_weights, layout_) {
    pass_.add(DNNL_ARG_SRC, unbound(plan.source));
    pass_.add(DNNL_ARG_DIFF_DST, unbound(plan.destination));
    pass_.add(DNNL_ARG_DIFF_WEIGHTS, weights_.memory());
    if (plan.has_bias) pass_.add(DNNL_ARG_DIFF_BIAS, unbound(plan.bias));
  }

  std::int64_t workspace_bytes() const override { return layout_.bytes(); }

  void run(const BackwardArguments& arguments) override {
    weights_.bind(arguments.parameter_gradients[0].as<float>(), arguments.workspace);
    pass_.set(DNNL_ARG_SRC, input_.read(arguments.inputs[0], arguments.workspace));
    pass_.set(DNNL_ARG_DIFF_DST, output_gradient_.read(arguments.output_gradient, arguments.workspace));
    if (has_bias_) pass_.set(DNNL_ARG_DIFF_BIAS, arguments.parameter_gradients[1].as<float>());
    pass_.run(stream_, arguments.workspace);
    weights_.to_user(stream_);
    stream_.wait();
  }

 private:
  WorkspaceLayout layout_;
  dnnl::stream stream_;
  bool has_bias_;
  Activation output_gradient_, input_;
  Weights weights_;
  Pass pass_;
};

}  // namespace

bool computes_bf16() {
  // Sets of instructions are bits; a set holds those that it builds on.
  const auto bits = [](dnnl::cpu_isa isa) { return static_cast<unsigned>(isa); };
  const unsigned needed = bits(dnnl::cpu_isa::avx512_core_bf16);
  return (bits(dnnl::get_effective_cpu_isa()) & needed) == needed;
}

std::unique_ptr<ForwardPass> onednn_forward(const KernelSetup& setup, const FilterPlan& plan) {
  return std::make_unique<Forward>(setup, plan);
}

std::unique_ptr<BackwardPass> onednn_input_gradient(const KernelSetup& setup, const FilterPlan& plan) {
  return std::make_unique<InputGradient>(setup, plan);
}

std::unique_ptr<BackwardPass> onednn_parameter_gradients(const KernelSetup& setup, const FilterPlan& plan) {
  return std::make_unique<ParameterGradients>(setup, plan);
}

}  // namespace secateur::cpu
