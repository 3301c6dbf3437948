// conv2d and linear on oneDNN. Activations are handed over as they lie (NHWC); weights go from KRSC into the
// layout that the primitive asks for on each call, since they change on each step; measured on AVX2, blocked
// activations are slower than that. Every primitive and memory object is made once; a call sets pointers and
// executes.
#include <dnnl.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/rows.h"
#include "backend/cpu/weight_gradient.h"

namespace secateur::cpu {
namespace {

using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;
using Description = dnnl::memory::desc;

// oneDNN's CPU engine holds no state but the fact that it is the CPU, so all kernels can share it.
const dnnl::engine& engine() {
  static const dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

// Runs `work`; errors of oneDNN become Errors that name the layer.
template <class Work>
auto guarded(const std::string& layer, Work&& work) {
  try {
    return work();
  } catch (const dnnl::error& error) {
    fail("layer '{}': oneDNN refused (status {}): {}", layer, static_cast<int>(error.status), error.what());
  }
}

Description described(const Dims& dims, Tag tag) { return {dims, dnnl::memory::data_type::f32, tag}; }

dnnl::memory unbound(const Description& description) { return {description, engine(), DNNL_MEMORY_NONE}; }

// A primitive's operands as the C interface takes them: the C++ one makes a list of them on every call.
class Operands {
 public:
  void add(int argument, const dnnl::memory& memory) {
    memories_.push_back(memory);
    list_.push_back({argument, memory.get()});
  }
  void set(int argument, void* data) {
    for (std::size_t i = 0; i < list_.size(); ++i) {
      if (list_[i].arg == argument) memories_[i].set_data_handle(data);
    }
  }
  void execute(const dnnl::primitive& primitive, const dnnl::stream& stream) const {
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(primitive.get(), stream.get(), static_cast<int>(list_.size()), list_.data()),
        "a primitive could not be executed");
  }

 private:
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> list_;
};

// Parts of a workspace, one after the other.
class WorkspaceLayout {
 public:
  // Offset of a new part of that many bytes.
  std::int64_t take(std::int64_t bytes) {
    constexpr std::int64_t kAlignment = 256;
    const std::int64_t offset = end_;
    end_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  }
  std::int64_t take(const Description& description) {
    return take(static_cast<std::int64_t>(description.get_size()));
  }
  [[nodiscard]] std::int64_t bytes() const { return end_; }

 private:
  std::int64_t end_ = 0;
};

std::byte* at(void* workspace, std::int64_t offset) { return static_cast<std::byte*>(workspace) + offset; }

// An activation as oneDNN sees it: without padding lanes. Where the stored tensor has some, a compact copy in
// the workspace stands in for it, which is far cheaper than oneDNN's reference path for strided maps.
class Activation {
 public:
  Activation(const Tensor& stored, WorkspaceLayout& layout) : copied_(!stored.dense()) {
    if (copied_) offset_ = layout.take(stored.count() * size_of(DType::f32));
  }

  float* read(const Tensor& stored, void* workspace) const {
    if (!copied_) return stored.as<float>();
    auto* compact = reinterpret_cast<float*>(at(workspace, offset_));
    copy_rows(stored.as<float>(), stored.leading, compact, stored.channels(), stored.rows(),
              stored.channels());
    return compact;
  }
  // Where a result is to be written; store() then brings it to its tensor.
  float* target(const Tensor& stored, void* workspace) const {
    return copied_ ? reinterpret_cast<float*>(at(workspace, offset_)) : stored.as<float>();
  }
  void store(const Tensor& stored, void* workspace) const {
    if (!copied_) return;
    copy_rows(reinterpret_cast<const float*>(at(workspace, offset_)), stored.channels(), stored.as<float>(),
              stored.leading, stored.rows(), stored.channels());
  }

 private:
  bool copied_;
  std::int64_t offset_ = 0;
};

// Weights (or their gradient) in the layout of a primitive, reached by a reorder from or to the user's KRSC.
class Weights {
 public:
  Weights(const Description& users, const Description& preferred, bool to_user, WorkspaceLayout& layout)
      : users_(unbound(users)), preferred_(unbound(preferred)) {
    if (users == preferred) return;
    offset_ = layout.take(preferred);
    reorder_ = to_user ? dnnl::reorder(preferred_, users_) : dnnl::reorder(users_, preferred_);
    operands_.add(DNNL_ARG_FROM, to_user ? preferred_ : users_);
    operands_.add(DNNL_ARG_TO, to_user ? users_ : preferred_);
  }

  [[nodiscard]] const dnnl::memory& memory() const { return preferred_; }

  // Points the primitive's memory at the user's weights or at the workspace.
  void bind(float* weights, void* workspace) {
    users_.set_data_handle(weights);
    preferred_.set_data_handle(reorder_ ? static_cast<void*>(at(workspace, offset_)) : weights);
  }
  // Between the user's layout and the primitive's, whichever way this was made for.
  void convert(dnnl::stream& stream) {
    if (reorder_) operands_.execute(*reorder_, stream);
  }

 private:
  dnnl::memory users_;
  dnnl::memory preferred_;
  std::int64_t offset_ = 0;
  std::optional<dnnl::reorder> reorder_;
  Operands operands_;
};

// A primitive with its operands and its scratchpad in the workspace.
class Pass {
 public:
  Pass(const dnnl::primitive_desc_base& description, WorkspaceLayout& layout)
      : primitive_(description.get()),
        scratchpad_(unbound(description.query_md(dnnl::query::scratchpad_md))) {
    scratchpad_offset_ = layout.take(scratchpad_.get_desc());
    operands_.add(DNNL_ARG_SCRATCHPAD, scratchpad_);
  }

  void add(int argument, const dnnl::memory& memory) { operands_.add(argument, memory); }
  void set(int argument, float* data) { operands_.set(argument, data); }
  void run(dnnl::stream& stream, void* workspace) {
    scratchpad_.set_data_handle(at(workspace, scratchpad_offset_));
    operands_.execute(primitive_, stream);
    stream.wait();
  }

 private:
  dnnl::primitive primitive_;
  dnnl::memory scratchpad_;
  std::int64_t scratchpad_offset_ = 0;
  Operands operands_;
};

// What a filter op is to oneDNN. Backward descriptions are there when they are wanted.
struct FilterPlan {
  Description source, destination, weights, bias;
  bool has_bias = false;
  std::optional<dnnl::primitive_desc_base> forward, backward_data, backward_weights;
  std::optional<WeightGradient> own_backward_weights;  // in place of backward_weights
};

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

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
      output_gradient_.emplace(setup.output, shared);
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
      f.weights.convert(stream_);
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
        : input(setup.inputs[0], layout),
          output(setup.output, layout),
          weights(plan.weights, plan.forward->query_md(dnnl::query::weights_md), false, layout),
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
        : gradient(setup.inputs[0], layout),
          weights(plan.weights, plan.backward_data->query_md(dnnl::query::weights_md), false, layout),
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
        : input(setup.inputs[0], layout),
          gradient(plan.weights, plan.backward_weights->query_md(dnnl::query::diff_weights_md), true, layout),
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
    b.gradient.convert(stream_);
    stream_.wait();
  }

  void input_gradient(const BackwardArguments& arguments, float* output_gradient) {
    BackwardData& b = *backward_data_;
    const Tensor& target = arguments.input_gradients[0];
    b.weights.bind(arguments.parameters[0].as<float>(), arguments.workspace);
    b.weights.convert(stream_);
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

// Logical extents are NCHW and OIHW in oneDNN; the tags say how they lie in memory.
FilterPlan convolution_plan(const KernelSetup& setup) {
  const Attributes& attributes = setup.node.attributes;
  const Shape& x = setup.inputs[0].shape;
  const Shape& y = setup.output.shape;
  const Shape& w = setup.parameters[0].shape;
  const auto stride = attributes.pair_or("stride", 1);
  const auto padding = attributes.pair_or("padding", 0);
  const auto dilation = attributes.pair_or("dilation", 1);
  const std::int64_t groups = attributes.integer_or("groups", 1);

  const Dims strides{stride[0], stride[1]};
  const Dims dilations{dilation[0] - 1, dilation[1] - 1};  // oneDNN counts the gaps
  const Dims before{padding[0], padding[1]};
  // What the windows reach past the end, which is less than the padding (or negative) where the stride leaves
  // a rest.
  const auto after = [&](int axis, std::int64_t out, std::int64_t in) {
    const auto a = static_cast<std::size_t>(axis);
    return (out - 1) * stride[a] + dilation[a] * (w[axis + 1] - 1) + 1 - in - padding[a];
  };
  const Dims behind{after(0, y[1], x[1]), after(1, y[2], x[2])};

  FilterPlan plan;
  plan.has_bias = setup.parameters.size() > 1;
  plan.source = described({x[0], x[3], x[1], x[2]}, Tag::nhwc);
  plan.destination = described({y[0], y[3], y[1], y[2]}, Tag::nhwc);
  plan.bias = described({y[3]}, Tag::x);
  const Dims filters =
      groups == 1 ? Dims{w[0], w[3], w[1], w[2]} : Dims{groups, w[0] / groups, w[3], w[1], w[2]};
  plan.weights = described(filters, groups == 1 ? Tag::ohwi : Tag::gohwi);
  const Description any = described(filters, Tag::any);
  const Description bias = plan.has_bias ? plan.bias : Description();
  const dnnl::primitive_attr attr = user_scratchpad();
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;

  const dnnl::convolution_forward::primitive_desc forward(engine(), forward_kind(setup), kDirect, plan.source,
                                                          any, bias, plan.destination, strides, dilations,
                                                          before, behind, attr);
  plan.forward = forward;
  if (wants_input_gradient(setup)) {
    plan.backward_data =
        dnnl::convolution_backward_data::primitive_desc(engine(), kDirect, plan.source, any, plan.destination,
                                                        strides, dilations, before, behind, forward, attr);
  }
  const WeightGradientProblem problem{
      x[0], {x[1], x[2]}, {y[1], y[2]}, {w[1], w[2]}, {stride[0], stride[1]}, {padding[0], padding[1]},
      x[3], y[3]};
  if (setup.parameter_gradients_wanted && groups == 1 && dilation[0] == 1 && dilation[1] == 1 &&
      !plan.has_bias && WeightGradient::takes(problem)) {
    plan.own_backward_weights.emplace(problem);
  } else if (setup.parameter_gradients_wanted) {
    dnnl::convolution_backward_weights::primitive_desc backward(engine(), kDirect, plan.source, any, bias,
                                                                plan.destination, strides, dilations, before,
                                                                behind, forward, attr);
    // oneDNN 3.2's jit_1x1:avx2 computes wrong weight gradients for strided 1x1 convolutions on several
    // threads when the channels are no multiple of 8, which is what pruning leaves of projection shortcuts.
    const bool strided = stride[0] > 1 || stride[1] > 1;
    while (strided && std::string_view(backward.impl_info_str()).starts_with("jit_1x1")) {
      require(backward.next_impl(), "oneDNN has no sound weight gradient for a strided 1x1 layer");
    }
    plan.backward_weights = backward;
  }
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
