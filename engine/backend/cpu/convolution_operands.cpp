#include "backend/cpu/convolution_operands.h"

namespace secateur::cpu {
namespace {

// Where activations are padded to whole vectors, oneDNN computes on the padding lanes too, with filters of
// zeros: its paths for odd channel counts take twice the time and more.
FilterLanes lanes_of(const KernelSetup& setup, std::int64_t groups) {
  constexpr std::int64_t kVector = 8;
  const auto whole = [](const Tensor& tensor) {
    return tensor.dense() || (tensor.leading % kVector == 0 && tensor.leading - tensor.channels() < kVector);
  };
  const Tensor& x = setup.inputs[0];
  const Tensor& y = setup.output;
  const Shape& w = setup.parameters[0].shape;
  FilterLanes lanes{w[0], w[1] * w[2], w[3], 0, 0};
  const bool has_bias = setup.node.attributes.integer_or("bias", 0) != 0;
  const bool padded = !x.dense() || !y.dense();
  if (padded && whole(x) && whole(y) && groups == 1 && !has_bias) {
    lanes.filter_lanes = y.leading;
    lanes.channel_lanes = x.leading;
  }
  return lanes;
}

}  // namespace

ConvolutionOperands::ConvolutionOperands(const KernelSetup& setup) {
  const Attributes& attributes = setup.node.attributes;
  const Shape& x = setup.inputs[0].shape;
  const Shape& y = setup.output.shape;
  const Shape& w = setup.parameters[0].shape;
  const auto stride = attributes.pair_or("stride", 1);
  const auto padding = attributes.pair_or("padding", 0);
  const auto dilation = attributes.pair_or("dilation", 1);
  groups = attributes.integer_or("groups", 1);
  lanes = lanes_of(setup, groups);

  strides = {stride[0], stride[1]};
  dilations = {dilation[0] - 1, dilation[1] - 1};
  before = {padding[0], padding[1]};
  // What the windows reach past the end, which is less than the padding (or negative) where the stride leaves
  // a rest.
  const auto after = [&](int axis, std::int64_t out, std::int64_t in) {
    const auto a = static_cast<std::size_t>(axis);
    return (out - 1) * stride[a] + dilation[a] * (w[axis + 1] - 1) + 1 - in - padding[a];
  };
  behind = {after(0, y[1], x[1]), after(1, y[2], x[2])};

  const std::int64_t in = lanes.padded() ? lanes.channel_lanes : x[3];
  const std::int64_t out = lanes.padded() ? lanes.filter_lanes : y[3];
  const ElementType maps = map_type(setup.precision);
  source = described({x[0], in, x[1], x[2]}, Tag::nhwc, maps);
  destination = described({y[0], out, y[1], y[2]}, Tag::nhwc, maps);
  const Dims filters =
      groups == 1 ? Dims{out, in, w[1], w[2]} : Dims{groups, w[0] / groups, w[3], w[1], w[2]};
  weights = described(filters, groups == 1 ? Tag::ohwi : Tag::gohwi);
  any_weights = described(filters, Tag::any, maps);
  any_gradient = described(filters, Tag::any);
}

std::optional<WeightGradientProblem> ConvolutionOperands::own_weight_gradient(
    const KernelSetup& setup) const {
  const bool plain = groups == 1 && dilations == Dims{0, 0} && setup.parameters.size() == 1;
  if (!plain || setup.precision != Precision::fp32) return std::nullopt;
  const Shape& x = setup.inputs[0].shape;
  const Shape& y = setup.output.shape;
  const Shape& w = setup.parameters[0].shape;
  const WeightGradientProblem problem{
      x[0], {x[1], x[2]}, {y[1], y[2]}, {w[1], w[2]}, {strides[0], strides[1]}, {before[0], before[1]},
      x[3], y[3]};
  if (!WeightGradient::takes(problem)) return std::nullopt;
  return problem;
}

std::optional<WinogradProblem> ConvolutionOperands::winograd(const KernelSetup& setup) const {
  const Tensor& x = setup.inputs[0];
  const Tensor& y = setup.output;
  const Shape& w = setup.parameters[0].shape;
  const bool plain = strides == Dims{1, 1} && dilations == Dims{0, 0} && groups == 1;
  if (!plain || w[1] != 3 || w[2] != 3 || setup.precision != Precision::fp32) return std::nullopt;
  return WinogradProblem{x.shape[0],
                         {x.shape[1], x.shape[2]},
                         {y.shape[1], y.shape[2]},
                         {before[0], before[1]},
                         w[3],
                         w[0],
                         x.leading,
                         y.leading};
}

}  // namespace secateur::cpu
