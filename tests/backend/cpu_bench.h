// One CPU kernel with operands of its own, for tests that look at a kernel without a Program around it.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/core/rng.h"
#include "secateur/graph/op.h"

namespace secateur::test {

// An op with its inputs; `spare` is what each map's leading dimension exceeds its channels by.
struct Problem {
  std::string name;
  Node node;
  std::vector<Shape> inputs;
  bool batch_statistics = true;
  std::int64_t spare = 0;

  friend std::ostream& operator<<(std::ostream& out, const Problem& problem) { return out << problem.name; }
};

// A tensor with memory of its own; padding lanes of inputs are zero, of results full of rubbish before they
// are written.
struct Owned {
  std::vector<float> memory;
  std::vector<std::int32_t> labels;
  Tensor tensor;

  Owned(const Shape& shape, std::int64_t leading, float value)
      : memory(static_cast<std::size_t>(shape.rows() * leading), value),
        tensor(memory.data(), DType::f32, shape, leading) {}
  [[nodiscard]] float& at(std::int64_t row, std::int64_t c) {
    return memory[static_cast<std::size_t>(row * tensor.leading + c)];
  }
  [[nodiscard]] std::vector<float> values() {
    std::vector<float> dense;
    for (std::int64_t row = 0; row < tensor.rows(); ++row) {
      for (std::int64_t c = 0; c < tensor.channels(); ++c) dense.push_back(at(row, c));
    }
    return dense;
  }
  [[nodiscard]] bool padding_is_zero() {
    for (std::int64_t row = 0; row < tensor.rows(); ++row) {
      for (std::int64_t c = tensor.channels(); c < tensor.leading; ++c) {
        if (at(row, c) != 0) return false;
      }
    }
    return true;
  }
};

inline constexpr float kRubbish = 12345.0F;

class Bench {
 public:
  explicit Bench(const Problem& problem) : problem_(problem) {
    register_builtin_kernels();
    const Op& op = find_op(problem.node.op);
    std::vector<MapShape> shapes;
    for (const Shape& shape : problem.inputs) shapes.push_back({shape[1], shape[2], shape[3]});
    const MapShape out = op.output_shape(problem.node, shapes);
    std::uint64_t seed = 1;
    for (const Shape& shape : problem.inputs)
      inputs.push_back(filled(shape, shape.last() + problem.spare, seed++));
    for (const ParameterSpec& spec : op.parameters(problem.node, shapes)) {
      parameters.push_back(filled(spec.shape, spec.shape.last(), seed++));
      parameter_gradients.push_back(std::make_unique<Owned>(spec.shape, spec.shape.last(), kRubbish));
      if (spec.kind == ParameterKind::running_variance) {
        for (float& value : parameters.back()->memory) value = 0.5F + value * value;
      }
      trained.push_back(is_trained(spec.kind));
    }
    const Shape shape = out.batched(problem.inputs[0][0]);
    output = std::make_unique<Owned>(shape, shape.last() + problem.spare, kRubbish);
    output_gradient = filled(shape, shape.last() + problem.spare, seed++);
    for (const Shape& input : problem.inputs) {
      input_gradients.push_back(std::make_unique<Owned>(input, input.last() + problem.spare, kRubbish));
    }
    if (problem.node.op == "softmax_cross_entropy") make_labels();
    make();
  }

  void forward() {
    saved_.assign(saved_.size(), std::byte{0x5A});
    forward_workspace_.assign(forward_workspace_.size(), std::byte{0xFF});  // floats in it are not numbers
    kernel_->forward({tensors(inputs), output->tensor, tensors(parameters), aligned(saved_),
                      aligned(forward_workspace_), step_});
  }

  void backward() {
    backward_workspace_.assign(backward_workspace_.size(), std::byte{0xFF});
    const KernelMemory memory = kernel_->memory();
    std::vector<Tensor> seen(inputs.size());
    if (memory.backward_needs_inputs) seen = tensors(inputs);
    std::vector<Tensor> targets = tensors(input_gradients);
    if (problem_.node.op == "softmax_cross_entropy") targets[1] = Tensor();
    kernel_->backward({seen, memory.backward_needs_output ? output->tensor : Tensor(), tensors(parameters),
                       output_gradient->tensor, targets, tensors(parameter_gradients), aligned(saved_),
                       aligned(backward_workspace_), step_});
  }

  // <output gradient, output>, in double.
  [[nodiscard]] double objective() {
    double sum = 0;
    const auto y = output->values();
    const auto dy = output_gradient->values();
    for (std::size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * static_cast<double>(dy[i]);
    return sum;
  }

  std::vector<std::unique_ptr<Owned>> inputs, input_gradients, parameters, parameter_gradients;
  std::unique_ptr<Owned> output, output_gradient;
  std::vector<bool> trained;

 private:
  static std::unique_ptr<Owned> filled(const Shape& shape, std::int64_t leading, std::uint64_t seed) {
    auto owned = std::make_unique<Owned>(shape, leading, 0.0F);
    RandomSequence random(seed, RngPurpose::test);
    for (std::int64_t row = 0; row < shape.rows(); ++row) {
      for (std::int64_t c = 0; c < shape.last(); ++c) owned->at(row, c) = static_cast<float>(random.normal());
    }
    return owned;
  }

  static std::vector<Tensor> tensors(const std::vector<std::unique_ptr<Owned>>& owned) {
    std::vector<Tensor> list;
    list.reserve(owned.size());
    for (const auto& one : owned) list.push_back(one->tensor);
    return list;
  }

  void make_labels() {
    const std::int64_t samples = inputs[1]->tensor.rows();
    const std::int64_t classes = inputs[0]->tensor.channels();
    std::vector<std::int32_t>& labels = inputs[1]->labels;
    labels.resize(static_cast<std::size_t>(samples));
    for (std::size_t n = 0; n < labels.size(); ++n) {
      labels[n] = n == 1 ? -1 : static_cast<std::int32_t>(static_cast<std::int64_t>(n) % classes);
    }
    inputs[1]->tensor = Tensor(inputs[1]->labels.data(), DType::i32, {samples, 1, 1, 1});
  }

  void make() {
    const auto wanted = std::make_unique<bool[]>(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) wanted[i] = inputs[i]->tensor.dtype == DType::f32;
    const auto ins = tensors(inputs);
    const auto params = tensors(parameters);
    kernel_ = make_kernel({.node = problem_.node,
                           .id = 3,
                           .stream = *stream_,
                           .batch_statistics = problem_.batch_statistics,
                           .inputs = ins,
                           .output = output->tensor,
                           .parameters = params,
                           .input_gradient_wanted = {wanted.get(), inputs.size()},
                           .parameter_gradients_wanted = !params.empty()});
    const KernelMemory memory = kernel_->memory();
    constexpr std::int64_t kSlack = 256;  // for the alignment
    saved_.resize(static_cast<std::size_t>(memory.saved + kSlack));
    forward_workspace_.resize(static_cast<std::size_t>(memory.forward_workspace + kSlack));
    backward_workspace_.resize(static_cast<std::size_t>(memory.backward_workspace + kSlack));
  }

  static void* aligned(std::vector<std::byte>& memory) {
    void* start = memory.data();
    std::size_t space = memory.size();
    return std::align(256, 1, start, space);
  }

  Problem problem_;
  std::unique_ptr<Device> device_ = make_host_device(DeviceKind::cpu);
  std::unique_ptr<Stream> stream_ = device_->make_stream();
  std::unique_ptr<Kernel> kernel_;
  std::vector<std::byte> saved_, forward_workspace_, backward_workspace_;
  StepState step_{.seed = 9, .step = 4};
};

}  // namespace secateur::test
