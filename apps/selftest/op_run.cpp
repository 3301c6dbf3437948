#include "selftest/op_run.h"

#include <algorithm>
#include <bit>

#include "secateur/backend/open_device.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"

namespace secateur::selftest {
namespace {

// Any node but the first, so that keys of random numbers are not zero.
constexpr NodeId kNode = 7;
constexpr StepState kStep{.seed = 0x123456789abcdefULL, .step = 11, .samples = 0};

std::vector<std::byte> fetch(const Tensor& tensor, Stream& stream) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.stored_bytes()));
  stream.copy_to_host(bytes.data(), tensor.data, tensor.stored_bytes());
  return bytes;
}

std::vector<double> values_of(const Tensor& tensor, Stream& stream, bool& padding_is_zero) {
  if (tensor.empty()) return {};
  const std::vector<std::byte> bytes = fetch(tensor, stream);
  std::vector<double> values;
  for (std::int64_t row = 0; row < tensor.rows(); ++row) {
    for (std::int64_t lane = 0; lane < tensor.leading; ++lane) {
      const double value =
          decode_element(tensor.dtype, bytes.data() + (row * tensor.leading + lane) * size_of(tensor.dtype));
      if (lane < tensor.channels()) {
        values.push_back(value);
      } else if (value != 0) {
        padding_is_zero = false;
      }
    }
  }
  return values;
}

}  // namespace

std::unique_ptr<Device> open_test_device(DeviceKind kind) {
  return why_no_device(kind) ? nullptr : open_device(kind);
}

OpRun::OpRun(const OpCase& op_case, const OpData& data, Device& device, Precision precision,
             bool with_backward)
    : device_(device),
      stream_(device.make_stream()),
      node_{op_case.name, op_case.op, {}, op_case.attributes},
      with_backward_(with_backward) {
  register_builtin_kernels();
  const Op& op = find_op(op_case.op);
  const MapShape output_shape = op.output_shape(node_, op_case.inputs);
  specs_ = op.parameters(node_, op_case.inputs);
  macs_ = op_case.batch * op.macs(node_, op_case.inputs, output_shape);
  const DType type = storage_type(precision);
  const DType master = precision == Precision::fp64 ? DType::f64 : DType::f32;
  const std::int64_t lanes = op_case.channel_padding;

  // std::span<const bool> needs an array; a vector of bool has none.
  const auto wanted = std::make_unique<bool[]>(op_case.inputs.size());
  for (std::size_t i = 0; i < op_case.inputs.size(); ++i) {
    const bool label = op_case.is_label(i);
    node_.inputs.push_back(static_cast<NodeId>(i));
    inputs_.push_back(allocate(label ? DType::i32 : type, op_case.inputs[i].batched(op_case.batch),
                               label ? 1 : lanes, &data.inputs[i]));
    wanted[i] = with_backward && op_case.wants_gradient(i);
    input_gradients_.push_back(wanted[i] ? allocate(type, inputs_[i].shape, lanes, nullptr) : Tensor());
  }
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    parameters_.push_back(allocate(master, specs_[i].shape, 1, &data.parameters[i]));
    const bool trained = with_backward && is_trained(specs_[i].kind);
    parameter_gradients_.push_back(trained ? allocate(master, specs_[i].shape, 1, nullptr) : Tensor());
  }
  // Losses are fp32 or better, whatever the logits are stored in.
  const DType output_type = op_case.op == "softmax_cross_entropy" ? master : type;
  output_ = allocate(output_type, output_shape.batched(op_case.batch), lanes, nullptr);
  if (with_backward) output_gradient_ = allocate(output_type, output_.shape, lanes, &data.output_gradient);
  bytes_ = output_.stored_bytes();
  for (const Tensor& tensor : inputs_) bytes_ += tensor.stored_bytes();
  for (const Tensor& tensor : parameters_) bytes_ += tensor.stored_bytes();

  // The setup knows shapes, but no memory yet.
  std::vector<Tensor> setup_inputs = inputs_;
  std::vector<Tensor> setup_parameters = parameters_;
  Tensor setup_output = output_;
  for (Tensor& tensor : setup_inputs) tensor.data = nullptr;
  for (Tensor& tensor : setup_parameters) tensor.data = nullptr;
  setup_output.data = nullptr;
  kernel_ = make_kernel({.node = node_,
                         .id = kNode,
                         .stream = *stream_,
                         .precision = precision,
                         .batch_statistics = op_case.batch_statistics,
                         .inputs = setup_inputs,
                         .output = setup_output,
                         .parameters = setup_parameters,
                         .input_gradient_wanted = {wanted.get(), op_case.inputs.size()},
                         .parameter_gradients_wanted = with_backward && !specs_.empty()});
  memory_ = kernel_->memory();
  saved_ = allocate_scratch(memory_.saved);
  forward_workspace_ = allocate_scratch(memory_.forward_workspace);
  if (with_backward) backward_workspace_ = allocate_scratch(memory_.backward_workspace);
}

// Without values the tensor is full of NaN: all bits set is one in every real type.
Tensor OpRun::allocate(DType type, const Shape& shape, std::int64_t lanes,
                       const std::vector<double>* values) {
  Tensor tensor(nullptr, type, shape, align_up(shape.last(), lanes));
  std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.stored_bytes()), std::byte{0xFF});
  if (values != nullptr) {
    std::fill(bytes.begin(), bytes.end(), std::byte{0});
    for (std::int64_t row = 0; row < tensor.rows(); ++row) {
      for (std::int64_t c = 0; c < tensor.channels(); ++c) {
        encode_element(type, values->at(static_cast<std::size_t>(row * tensor.channels() + c)),
                       bytes.data() + (row * tensor.leading + c) * size_of(type));
      }
    }
  }
  slabs_.emplace_back(device_, tensor.stored_bytes());
  tensor.data = slabs_.back().data();
  stream_->copy_to_device(tensor.data, bytes.data(), tensor.stored_bytes());
  stream_->synchronize();
  return tensor;
}

void* OpRun::allocate_scratch(std::int64_t bytes) {
  if (bytes == 0) return nullptr;
  const std::vector<std::byte> poison(static_cast<std::size_t>(bytes), std::byte{0xFF});
  slabs_.emplace_back(device_, bytes);
  stream_->copy_to_device(slabs_.back().data(), poison.data(), bytes);
  stream_->synchronize();
  return slabs_.back().data();
}

void OpRun::forward() {
  kernel_->forward({.inputs = inputs_,
                    .output = output_,
                    .parameters = parameters_,
                    .saved = saved_,
                    .workspace = forward_workspace_,
                    .step = kStep});
}

void OpRun::backward() {
  require(with_backward_, "{} was set up without a backward pass", node_.name);
  // A kernel gets only what it said it would need.
  const std::vector<Tensor> inputs =
      memory_.backward_needs_inputs ? inputs_ : std::vector<Tensor>(inputs_.size());
  kernel_->backward({.inputs = inputs,
                     .output = memory_.backward_needs_output ? output_ : Tensor(),
                     .parameters = parameters_,
                     .output_gradient = output_gradient_,
                     .input_gradients = input_gradients_,
                     .parameter_gradients = parameter_gradients_,
                     .saved = saved_,
                     .workspace = backward_workspace_,
                     .step = kStep});
}

OpResult OpRun::result() {
  synchronize();
  OpResult result;
  result.output = values_of(output_, *stream_, result.padding_is_zero);
  for (const Tensor& tensor : parameters_) {
    result.parameters.push_back(values_of(tensor, *stream_, result.padding_is_zero));
  }
  for (const Tensor& tensor : input_gradients_) {
    result.input_gradients.push_back(values_of(tensor, *stream_, result.padding_is_zero));
  }
  for (const Tensor& tensor : parameter_gradients_) {
    result.parameter_gradients.push_back(values_of(tensor, *stream_, result.padding_is_zero));
  }
  return result;
}

OpResult run_op(const OpCase& op_case, const OpData& data, Device& device, Precision precision,
                bool with_backward) {
  OpRun run(op_case, data, device, precision, with_backward);
  run.forward();
  if (with_backward) run.backward();
  return run.result();
}

}  // namespace secateur::selftest
