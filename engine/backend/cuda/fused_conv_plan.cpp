#include "backend/cuda/fused_conv_plan.h"

#include <array>
#include <deque>
#include <vector>

#include "backend/cuda/conv_descriptor.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

// Extents in cuDNN's order N, C, H, W.
using Extents = std::array<std::int64_t, 4>;

enum class Place : std::uint8_t { memory, registers };  // registers: between operations, never written

// Operations of one graph, with the tensors and descriptors that they refer to.
class GraphBuilder {
 public:
  GraphBuilder(const ConvProblem& problem, std::string what)
      : what_(std::move(what)),
        convolution_(convolution_descriptor(problem)),
        x_extents_{problem.batch, problem.input.channels, problem.input.height, problem.input.width},
        y_extents_{problem.batch, problem.output.channels, problem.output.height, problem.output.width},
        w_extents_{problem.output.channels, problem.input.channels, problem.kernel[0], problem.kernel[1]} {}

  const CudnnDescriptor& x(Place place = Place::memory) { return map(x_extents_, place); }
  const CudnnDescriptor& y() { return map(y_extents_, Place::memory); }
  const CudnnDescriptor& filters() { return map(w_extents_, Place::memory); }
  // One value a channel of x, or of y.
  const CudnnDescriptor& of_x(DType type) { return tensor({1, x_extents_[1], 1, 1}, type, Place::memory); }
  const CudnnDescriptor& of_y(DType type) { return tensor({1, y_extents_[1], 1, 1}, type, Place::memory); }
  // x in fp32, between operations.
  const CudnnDescriptor& wide_x() { return tensor(x_extents_, DType::f32, Place::registers); }

  const CudnnDescriptor& pointwise(cudnnPointwiseMode_t mode, const CudnnDescriptor& a,
                                   const CudnnDescriptor& b, const CudnnDescriptor& out) {
    CudnnDescriptor& operation = begin_pointwise(mode);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
    operation.finalize();
    return out;
  }

  const CudnnDescriptor& relu(const CudnnDescriptor& a, const CudnnDescriptor& out) {
    CudnnDescriptor& operation = begin_pointwise(CUDNN_POINTWISE_RELU_FWD);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
    operation.finalize();
    return out;
  }

  // dy where x is positive, else 0.
  const CudnnDescriptor& relu_gradient(const CudnnDescriptor& dy, const CudnnDescriptor& x,
                                       const CudnnDescriptor& dx) {
    CudnnDescriptor& operation = begin_pointwise(CUDNN_POINTWISE_RELU_BWD);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, dy);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_DXDESC, dx);
    operation.finalize();
    return dx;
  }

  // max(scale * x + offset, 0), one scale and offset a channel.
  const CudnnDescriptor& scaled_relu() {
    const CudnnDescriptor& scaled =
        pointwise(CUDNN_POINTWISE_MUL, x(), of_x(DType::f16), x(Place::registers));
    const CudnnDescriptor& moved =
        pointwise(CUDNN_POINTWISE_ADD, scaled, of_x(DType::f16), x(Place::registers));
    return relu(moved, x(Place::registers));
  }

  // The pass of the convolution on these operands.
  void convolve(ConvPass pass, const CudnnDescriptor& x, const CudnnDescriptor& w, const CudnnDescriptor& y) {
    CudnnDescriptor& operation = begin(conv_pass_names(pass).type);
    set_convolution(operation, pass, convolution_, x, w, y);
    operation.finalize();
  }

  void statistics(const CudnnDescriptor& y) {
    CudnnDescriptor& operation = begin(CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR);
    const cudnnGenStatsMode_t mode = CUDNN_GENSTATS_SUM_SQSUM;
    operation.set_raw(CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, &mode);
    set_fp32(operation, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC);
    operation.set(CUDNN_ATTR_OPERATION_GENSTATS_XDESC, y);
    operation.set(CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, of_y(DType::f32));
    operation.set(CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, of_y(DType::f32));
    operation.finalize();
  }

  // A batch norm of x with the gradient dy of its output: gradients of scale and shift, and three factors a
  // channel of which its input gradient is made.
  void batch_norm_gradients(const CudnnDescriptor& x, const CudnnDescriptor& mean,
                            const CudnnDescriptor& inverse_deviation, const CudnnDescriptor& scale,
                            const CudnnDescriptor& dy) {
    CudnnDescriptor& operation = begin(CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR);
    set_fp32(operation, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MATH_PREC);
    operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_X_DESC, x);
    operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MEAN_DESC, mean);
    operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_INVSTD_DESC, inverse_deviation);
    operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_BN_SCALE_DESC, scale);
    operation.set(CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DY_DESC, dy);
    for (const cudnnBackendAttributeName_t result :
         {CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_SCALE_DESC,
          CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_BIAS_DESC,
          CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_DY_SCALE_DESC,
          CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_X_SCALE_DESC, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_BIAS}) {
      operation.set(result, of_x(DType::f32));
    }
    operation.finalize();
  }

  [[nodiscard]] CudnnDescriptor graph(cudnnHandle_t handle) const {
    std::vector<cudnnBackendDescriptor_t> pointers;
    for (const CudnnDescriptor& operation : operations_) pointers.push_back(operation.get());
    CudnnDescriptor result(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, what_);
    result.set_raw(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::ssize(pointers),
                   static_cast<const void*>(pointers.data()));
    if (handle != nullptr) result.set_raw(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    result.finalize();
    return result;
  }

 private:
  const CudnnDescriptor& map(const Extents& extents, Place place) {
    return tensor(extents, DType::f16, place);
  }
  const CudnnDescriptor& tensor(const Extents& extents, DType type, Place place) {
    return tensors_.emplace_back(
        channels_last(std::ssize(tensors_) + 1, type, extents, place == Place::registers));
  }

  CudnnDescriptor& begin(cudnnBackendDescriptorType_t type) {
    return operations_.emplace_back(CudnnDescriptor(type, what_));
  }
  CudnnDescriptor& begin_pointwise(cudnnPointwiseMode_t mode) {
    CudnnDescriptor& what =
        settings_.emplace_back(CudnnDescriptor(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what_));
    what.set_raw(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set_fp32(what, CUDNN_ATTR_POINTWISE_MATH_PREC);
    what.finalize();
    CudnnDescriptor& operation = begin(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what);
    return operation;
  }
  static void set_fp32(CudnnDescriptor& descriptor, cudnnBackendAttributeName_t attribute) {
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    descriptor.set_raw(attribute, CUDNN_TYPE_DATA_TYPE, 1, &type);
  }

  std::string what_;
  CudnnDescriptor convolution_;
  Extents x_extents_, y_extents_, w_extents_;
  std::deque<CudnnDescriptor> tensors_, settings_, operations_;  // references to them stay good
};

void build_input_gradient(GraphBuilder& g) {
  const CudnnDescriptor& from_conv = g.wide_x();
  const CudnnDescriptor& filters = g.filters();
  g.convolve(ConvPass::input_gradient, from_conv, filters, g.y());
  const CudnnDescriptor& x = g.x();
  const CudnnDescriptor& mean = g.of_x(DType::f32);
  const CudnnDescriptor& inverse_deviation = g.of_x(DType::f32);
  const CudnnDescriptor& scale = g.of_x(DType::f32);
  const CudnnDescriptor& shift = g.of_x(DType::f32);
  const CudnnDescriptor& centred = g.pointwise(CUDNN_POINTWISE_SUB, x, mean, g.wide_x());
  const CudnnDescriptor& normal = g.pointwise(CUDNN_POINTWISE_MUL, centred, inverse_deviation, g.wide_x());
  const CudnnDescriptor& scaled = g.pointwise(CUDNN_POINTWISE_MUL, normal, scale, g.wide_x());
  const CudnnDescriptor& output = g.pointwise(CUDNN_POINTWISE_ADD, scaled, shift, g.wide_x());
  const CudnnDescriptor& dx = g.relu_gradient(from_conv, output, g.x());
  g.batch_norm_gradients(x, mean, inverse_deviation, scale, dx);
}

ConvPass pass_of(FusedConv pattern) {
  switch (pattern) {
    case FusedConv::conv_statistics:
    case FusedConv::act_conv_statistics:
      return ConvPass::forward;
    case FusedConv::act_weight_gradient:
      return ConvPass::weight_gradient;
    case FusedConv::input_gradient_act:
      break;
  }
  return ConvPass::input_gradient;
}

void build(FusedConv pattern, GraphBuilder& g) {
  switch (pattern) {
    case FusedConv::conv_statistics:
    case FusedConv::act_conv_statistics: {
      const CudnnDescriptor& input = pattern == FusedConv::conv_statistics ? g.x() : g.scaled_relu();
      const CudnnDescriptor& filters = g.filters();
      const CudnnDescriptor& y = g.y();
      g.convolve(ConvPass::forward, input, filters, y);
      g.statistics(y);
      return;
    }
    case FusedConv::act_weight_gradient: {
      const CudnnDescriptor& input = g.scaled_relu();
      const CudnnDescriptor& filters = g.filters();
      g.convolve(ConvPass::weight_gradient, input, filters, g.y());
      return;
    }
    case FusedConv::input_gradient_act:
      build_input_gradient(g);
  }
}

}  // namespace

std::string_view name_of(FusedConv pattern) {
  constexpr std::array<std::string_view, 4> kNames{"conv_statistics", "act_conv_statistics",
                                                   "act_weight_gradient", "input_gradient_act"};
  return kNames.at(static_cast<std::size_t>(pattern));
}

EnginePlan plan_fused_conv(FusedConv pattern, ConvProblem problem, const PlanSearch& search) {
  problem.pass = pass_of(pattern);
  const std::string what = fmt::format("the fused convolution {}, {}", name_of(pattern), problem.to_string());
  require(problem.precision == Precision::fp16, "{}: fused convolutions are for fp16 alone", what);
  require(problem.groups == 1, "{}: fused convolutions have one group", what);
  require(problem.input.channels % 8 == 0 && problem.output.channels % 8 == 0,
          "{}: fused convolutions need channels in multiples of 8", what);
  GraphBuilder builder(problem, what);
  build(pattern, builder);
  return search.find(builder.graph(search.handle()), {.deterministic = problem.deterministic}, what);
}

}  // namespace secateur
