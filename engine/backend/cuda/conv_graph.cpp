#include "backend/cuda/conv_graph.h"

#include "backend/cuda/conv_descriptor.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

constexpr std::int64_t kFirstRegister = 100;  // numbers of tensors between operations

void set_fp32(CudnnDescriptor& descriptor, cudnnBackendAttributeName_t attribute) {
  const cudnnDataType_t type = CUDNN_DATA_FLOAT;
  descriptor.set_raw(attribute, CUDNN_TYPE_DATA_TYPE, 1, &type);
}

}  // namespace

ConvGraph::ConvGraph(const ConvProblem& problem, cudnnHandle_t handle)
    : what_(problem.to_string()),
      type_(storage_type(problem.precision)),
      convolution_(convolution_descriptor(problem)),
      x_extents_{problem.batch, problem.input.channels, problem.input.height, problem.input.width},
      y_extents_{problem.batch, problem.output.channels, problem.output.height, problem.output.width},
      w_extents_{problem.output.channels, problem.input.channels / problem.groups, problem.kernel[0],
                 problem.kernel[1]},
      graph_(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, what_) {
  require_fusible(problem);
  build(problem);
  std::vector<cudnnBackendDescriptor_t> pointers;
  for (const CudnnDescriptor& operation : operations_) pointers.push_back(operation.get());
  graph_.set_raw(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::ssize(pointers),
                 static_cast<const void*>(pointers.data()));
  if (handle != nullptr) graph_.set_raw(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  graph_.finalize();
}

void ConvGraph::build(const ConvProblem& problem) {
  const bool applies = problem.fusion == ConvFusion::norm_act;
  if (applies && problem.pass == ConvPass::input_gradient) {
    build_input_gradient();
    return;
  }
  const CudnnDescriptor& x = applies ? scaled_relu() : memory(ConvTensor::input, type_, x_extents_);
  const CudnnDescriptor& y = memory(ConvTensor::output, type_, y_extents_);
  convolve(problem.pass, x, y);
  if (problem.fusion != ConvFusion::none && problem.pass == ConvPass::forward) statistics(y);
}

void ConvGraph::build_input_gradient() {
  const CudnnDescriptor& from_conv = registers(DType::f32);
  convolve(ConvPass::input_gradient, from_conv, memory(ConvTensor::output, type_, y_extents_));
  const CudnnDescriptor& x = memory(ConvTensor::normalized, type_, x_extents_);
  const CudnnDescriptor& mean = of_input(ConvTensor::mean, DType::f32);
  const CudnnDescriptor& inverse_deviation = of_input(ConvTensor::inverse_deviation, DType::f32);
  const CudnnDescriptor& scale = of_input(ConvTensor::scale, DType::f32);
  const CudnnDescriptor& shift = of_input(ConvTensor::shift, DType::f32);
  const CudnnDescriptor& centred = pointwise(CUDNN_POINTWISE_SUB, x, mean, registers(DType::f32));
  const CudnnDescriptor& normal =
      pointwise(CUDNN_POINTWISE_MUL, centred, inverse_deviation, registers(DType::f32));
  const CudnnDescriptor& scaled = pointwise(CUDNN_POINTWISE_MUL, normal, scale, registers(DType::f32));
  const CudnnDescriptor& output = pointwise(CUDNN_POINTWISE_ADD, scaled, shift, registers(DType::f32));
  const CudnnDescriptor& dz = memory(ConvTensor::input, type_, x_extents_);
  CudnnDescriptor& relu = begin_pointwise(CUDNN_POINTWISE_RELU_BWD);
  relu.set(CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, from_conv);
  relu.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, output);
  relu.set(CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, dz);
  relu.finalize();
  batch_norm_gradients(x, mean, inverse_deviation, scale, dz);
}

// max(factor * x + offset, 0).
const CudnnDescriptor& ConvGraph::scaled_relu() {
  const CudnnDescriptor& x = memory(ConvTensor::input, type_, x_extents_);
  const CudnnDescriptor& scaled =
      pointwise(CUDNN_POINTWISE_MUL, x, of_input(ConvTensor::factor, type_), registers(type_));
  const CudnnDescriptor& moved =
      pointwise(CUDNN_POINTWISE_ADD, scaled, of_input(ConvTensor::offset, type_), registers(type_));
  const CudnnDescriptor& out = registers(type_);
  CudnnDescriptor& relu = begin_pointwise(CUDNN_POINTWISE_RELU_FWD);
  relu.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, moved);
  relu.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
  relu.finalize();
  return out;
}

void ConvGraph::convolve(ConvPass pass, const CudnnDescriptor& x, const CudnnDescriptor& y) {
  const CudnnDescriptor& w = memory(ConvTensor::filter, type_, w_extents_);
  CudnnDescriptor& operation = begin(conv_pass_names(pass).type);
  set_convolution(operation, pass, convolution_, x, w, y);
  operation.finalize();
}

void ConvGraph::statistics(const CudnnDescriptor& y) {
  CudnnDescriptor& operation = begin(CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR);
  const cudnnGenStatsMode_t mode = CUDNN_GENSTATS_SUM_SQSUM;
  operation.set_raw(CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, &mode);
  set_fp32(operation, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC);
  operation.set(CUDNN_ATTR_OPERATION_GENSTATS_XDESC, y);
  operation.set(CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, of_output(ConvTensor::sum, DType::f32));
  operation.set(CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, of_output(ConvTensor::sum_of_squares, DType::f32));
  operation.finalize();
}

void ConvGraph::batch_norm_gradients(const CudnnDescriptor& x, const CudnnDescriptor& mean,
                                     const CudnnDescriptor& inverse_deviation, const CudnnDescriptor& scale,
                                     const CudnnDescriptor& dy) {
  CudnnDescriptor& operation = begin(CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR);
  set_fp32(operation, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MATH_PREC);
  operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_X_DESC, x);
  operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MEAN_DESC, mean);
  operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_INVSTD_DESC, inverse_deviation);
  operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_BN_SCALE_DESC, scale);
  operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DY_DESC, dy);
  const auto result = [&](cudnnBackendAttributeName_t attribute, ConvTensor which) {
    operation.set(attribute, of_input(which, DType::f32));
  };
  result(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_SCALE_DESC, ConvTensor::scale_gradient);
  result(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_BIAS_DESC, ConvTensor::shift_gradient);
  result(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_DY_SCALE_DESC, ConvTensor::gradient_factor);
  result(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_X_SCALE_DESC, ConvTensor::input_factor);
  result(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_BIAS, ConvTensor::constant);
  operation.finalize();
}

const CudnnDescriptor& ConvGraph::memory(ConvTensor which, DType type, const Extents& extents) {
  in_memory_.push_back(which);
  return tensors_.emplace_back(channels_last(static_cast<std::int64_t>(which), type, extents));
}

const CudnnDescriptor& ConvGraph::of_input(ConvTensor which, DType type) {
  return memory(which, type, {1, x_extents_[1], 1, 1});
}

const CudnnDescriptor& ConvGraph::of_output(ConvTensor which, DType type) {
  return memory(which, type, {1, y_extents_[1], 1, 1});
}

const CudnnDescriptor& ConvGraph::registers(DType type) {
  const std::int64_t number = kFirstRegister + std::ssize(tensors_);
  return tensors_.emplace_back(channels_last(number, type, x_extents_, true));
}

const CudnnDescriptor& ConvGraph::pointwise(cudnnPointwiseMode_t mode, const CudnnDescriptor& a,
                                            const CudnnDescriptor& b, const CudnnDescriptor& out) {
  CudnnDescriptor& operation = begin_pointwise(mode);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
  operation.finalize();
  return out;
}

CudnnDescriptor& ConvGraph::begin(cudnnBackendDescriptorType_t type) {
  return operations_.emplace_back(CudnnDescriptor(type, what_));
}

CudnnDescriptor& ConvGraph::begin_pointwise(cudnnPointwiseMode_t mode) {
  CudnnDescriptor& what = settings_.emplace_back(CudnnDescriptor(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what_));
  what.set_raw(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  set_fp32(what, CUDNN_ATTR_POINTWISE_MATH_PREC);
  what.finalize();
  CudnnDescriptor& operation = begin(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what);
  return operation;
}

}  // namespace secateur
