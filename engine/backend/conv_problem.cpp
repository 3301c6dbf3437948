#include "secateur/backend/conv_problem.h"

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {
namespace {

std::string pair_text(const std::array<std::int64_t, 2>& pair) {
  return pair[0] == pair[1] ? fmt::format("{}", pair[0]) : fmt::format("{}x{}", pair[0], pair[1]);
}

std::string map_text(const ConvMap& map) {
  return fmt::format("{}x{}x{}", map.height, map.width, map.channels);
}

}  // namespace

std::string_view name_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return "forward";
    case ConvPass::input_gradient:
      return "input_gradient";
    case ConvPass::weight_gradient:
      return "weight_gradient";
  }
  return "unknown";
}

std::string ConvProblem::to_string() const {
  std::string text =
      fmt::format("{} of {} x {} -> {}, {}x{}, stride {}, padding {}", name_of(pass), batch, map_text(input),
                  map_text(output), kernel[0], kernel[1], pair_text(stride), pair_text(padding));
  if (fusion != ConvFusion::none) text += fmt::format(", fused: {}", secateur::name_of(fusion));
  if (dilation[0] != 1 || dilation[1] != 1) text += fmt::format(", dilation {}", pair_text(dilation));
  if (groups != 1) text += fmt::format(", {} groups", groups);
  text += fmt::format(", {}", secateur::name_of(precision));
  if (deterministic) text += ", deterministic";
  return text;
}

std::int64_t ConvProblem::input_elements() const {
  return batch * input.height * input.width * input.channels;
}

std::int64_t ConvProblem::output_elements() const {
  return batch * output.height * output.width * output.channels;
}

std::int64_t ConvProblem::filter_elements() const {
  return output.channels * kernel[0] * kernel[1] * (input.channels / groups);
}

std::int64_t ConvProblem::macs() const {
  return output_elements() * kernel[0] * kernel[1] * (input.channels / groups);
}

std::int64_t ConvProblem::bytes() const {
  // A stride beyond the window skips input positions; as a result they are still written, with zeros.
  const auto reached = [&](std::size_t axis, std::int64_t extent, std::int64_t windows) {
    return pass == ConvPass::input_gradient ? extent : std::min(extent, windows * kernel[axis]);
  };
  const std::int64_t input_moved = batch * reached(0, input.height, output.height) *
                                   reached(1, input.width, output.width) * input.channels;
  return (input_moved + output_elements() + filter_elements()) * size_of(storage_type(precision));
}

void require_fusible(const ConvProblem& p) {
  if (p.fusion == ConvFusion::none) return;
  require(p.precision == Precision::fp16, "cuDNN fuses batch norm into convolutions in fp16 alone, not in {}",
          name_of(p.precision));
  require(p.groups == 1, "cuDNN fuses batch norm into convolutions of one group, not of {}", p.groups);
  require(p.input.channels % 8 == 0 && p.output.channels % 8 == 0,
          "cuDNN fuses batch norm into convolutions whose widths are multiples of 8, not from {} to {}",
          p.input.channels, p.output.channels);
  require(p.pass == ConvPass::forward || p.fusion == ConvFusion::norm_act,
          "statistics are taken of what a forward pass writes, not of {}", name_of(p.pass));
}

ConvProblem ConvGeometry::pass(ConvPass pass, ConvFusion fusion) const {
  ConvProblem changed = problem;
  changed.pass = pass;
  changed.fusion = fusion;
  return changed;
}

bool ConvGeometry::uses_masters() const {
  return storage_type(problem.precision) == DType::f32 && problem.input.channels == in_channels &&
         problem.output.channels == out_channels;
}

ConvGeometry conv_geometry(const Node& node, Precision precision, const Tensor& input, const Tensor& output) {
  const Shape& x = input.shape;
  const Shape& y = output.shape;
  require(x.rank() == 4 && y.rank() == 4, "layer '{}': maps are [N, H, W, C], got {} and {}", node.name,
          x.to_string(), y.to_string());
  const Attributes& a = node.attributes;
  ConvGeometry g;
  g.in_channels = x[3];
  g.out_channels = y[3];
  ConvProblem& p = g.problem;
  p.precision = precision;
  p.batch = x[0];
  p.kernel = a.pair_or("kernel", 1);
  p.stride = a.pair_or("stride", 1);
  p.padding = a.pair_or("padding", 0);
  p.dilation = a.pair_or("dilation", 1);
  p.groups = a.integer_or("groups", 1);
  const bool depthwise = p.groups > 1 && p.groups == x[3] && x[3] == y[3];
  g.layout = p.groups == 1 ? ConvLayout::dense : depthwise ? ConvLayout::depthwise : ConvLayout::grouped;
  p.input = {x[1], x[2], g.in_channels};
  p.output = {y[1], y[2], g.out_channels};
  // A depthwise layer between maps of different stored width has no common number of groups.
  if (g.layout == ConvLayout::depthwise && input.leading != output.leading) g.layout = ConvLayout::grouped;
  switch (g.layout) {
    case ConvLayout::depthwise:
      p.groups = input.leading;
      [[fallthrough]];
    case ConvLayout::dense:
      p.input.channels = input.leading;
      p.output.channels = output.leading;
      break;
    case ConvLayout::grouped:
      g.copies_input = input.leading != g.in_channels;
      g.copies_output = output.leading != g.out_channels;
      break;
  }
  return g;
}

}  // namespace secateur
