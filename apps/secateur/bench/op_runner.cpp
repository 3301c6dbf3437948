#include "secateur/bench/op_runner.h"

#include "secateur/bench/host_array.h"
#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur::bench {
namespace {

class OpBench {
 public:
  OpBench(Node node, const std::vector<Shape>& input_shapes, bool backward) : node_(std::move(node)) {
    register_builtin_kernels();
    const Op& op = find_op(node_.op);
    std::vector<MapShape> maps;
    for (const Shape& shape : input_shapes) {
      maps.push_back({shape[1], shape[2], shape[3]});
      inputs_.push_back(tensor(shape));
      input_gradients_.push_back(backward ? tensor(shape) : Tensor());
    }
    if (node_.op == "softmax_cross_entropy") make_labels();
    for (const ParameterSpec& spec : op.parameters(node_, maps)) {
      parameters_.push_back(tensor(spec.shape));
      parameter_gradients_.push_back(tensor(spec.shape));
      if (spec.kind == ParameterKind::running_variance) {
        auto* variance = parameters_.back().as<float>();
        std::fill_n(variance, spec.shape.count(), 1.0F);
      }
    }
    const Shape out = op.output_shape(node_, maps).batched(input_shapes[0][0]);
    output_ = tensor(out);
    output_gradient_ = tensor(out);
    const auto wanted = std::make_unique<bool[]>(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      wanted[i] = backward && inputs_[i].dtype == DType::f32;
    }
    kernel_ = make_kernel({.node = node_,
                           .id = 0,
                           .stream = *stream_,
                           .batch_statistics = true,
                           .inputs = inputs_,
                           .output = output_,
                           .parameters = parameters_,
                           .input_gradient_wanted = {wanted.get(), inputs_.size()},
                           .parameter_gradients_wanted = backward && !parameters_.empty()});
    const KernelMemory memory = kernel_->memory();
    needs_inputs_ = memory.backward_needs_inputs;
    needs_output_ = memory.backward_needs_output;
    saved_ = bytes(memory.saved);
    workspace_ = bytes(std::max(memory.forward_workspace, memory.backward_workspace));
    if (backward) forward();
  }

  void forward() {
    kernel_->forward({inputs_, output_, parameters_, saved_->data(), workspace_->data(), step_});
  }

  void backward() {
    const std::vector<Tensor> none(inputs_.size());
    kernel_->backward({needs_inputs_ ? inputs_ : none, needs_output_ ? output_ : Tensor(), parameters_,
                       output_gradient_, input_gradients_, parameter_gradients_, saved_->data(),
                       workspace_->data(), step_});
  }

  [[nodiscard]] double result(bool backward) const {
    const Tensor& tensor = backward ? input_gradients_[0] : output_;
    return digest(tensor.as<float>(), tensor.count());
  }

 private:
  Tensor tensor(const Shape& shape) {
    memory_.push_back(floats(shape.count(), ++seed_));
    return {memory_.back()->data(), DType::f32, shape};
  }

  Floats bytes(std::int64_t count) {
    return floats(count / static_cast<std::int64_t>(sizeof(float)) + 1, ++seed_);
  }

  void make_labels() {
    const std::int64_t samples = inputs_[0].shape[0];
    const std::int64_t classes = inputs_[0].channels();
    labels_.resize(static_cast<std::size_t>(samples));
    for (std::size_t n = 0; n < labels_.size(); ++n) {
      labels_[n] = static_cast<std::int32_t>(static_cast<std::int64_t>(n) % classes);
    }
    inputs_[1] = Tensor(labels_.data(), DType::i32, {samples, 1, 1, 1});
    input_gradients_[1] = Tensor();
  }

  Node node_;
  std::unique_ptr<Device> device_ = make_host_device(DeviceKind::cpu);
  std::unique_ptr<Stream> stream_ = device_->make_stream();
  std::unique_ptr<Kernel> kernel_;
  std::vector<Floats> memory_;
  std::vector<std::int32_t> labels_;
  std::vector<Tensor> inputs_, input_gradients_, parameters_, parameter_gradients_;
  Tensor output_, output_gradient_;
  Floats saved_, workspace_;
  StepState step_;
  std::uint32_t seed_ = 0;
  bool needs_inputs_ = true;
  bool needs_output_ = true;
};

}  // namespace

Runner op_runner(const Node& node, const std::vector<Shape>& inputs, Pass pass) {
  const bool backward = pass != Pass::forward;
  auto bench = std::make_shared<OpBench>(node, inputs, backward);
  return {[bench, pass] {
            if (pass != Pass::backward) bench->forward();
            if (pass != Pass::forward) bench->backward();
          },
          [bench, backward] { return bench->result(backward); }};
}

}  // namespace secateur::bench
