// One pass of one convolution, as it lies in memory: the key of a plan. Needs nothing of CUDA.
//
// Which extents cuDNN is given (the declared ways; ConvLayout):
//
//   dense     one group: the stored width is the width. Padding lanes of maps hold zeros, and those of the
//             filters are made zero, so that a result's padding lanes come out as zeros without being written
//             apart.
//   depthwise as dense, with the padding lanes as groups of their own.
//   grouped   several channels a group: a padded map would shift the groups, so cuDNN is given the logical
//             width; a map whose stored width differs is copied to a dense one first (kernels:
//             channel_gather).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "secateur/backend/kernel.h"
#include "secateur/graph/conv_fusion.h"

namespace secateur {

enum class ConvPass : std::uint8_t { forward, input_gradient, weight_gradient };
[[nodiscard]] std::string_view name_of(ConvPass pass);

enum class ConvLayout : std::uint8_t { dense, depthwise, grouped };

// A map as cuDNN sees it: NHWC, dense.
struct ConvMap {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  auto operator<=>(const ConvMap&) const = default;
};

// What a plan is for. Filters are [output.channels, kernel, input.channels / groups], dense. Every operand
// has the precision's storage type, weight gradients too: cuDNN 9.19 has no engine that writes fp32 from
// 16-bit maps (it accumulates in fp32 and rounds once).
//
// With a fusion the pass does more than the convolution (fp16 alone, channels in multiples of 8, one group;
// cuDNN has no other engines). a_c(x) = factor_c * x + offset_c is the batch norm of the layer before:
//
//   forward, statistics:        y = conv(x, w); sum_k and sum_of_squares_k of y over images and positions
//
//   forward, norm_act:          y = conv(max(a(x), 0), w); the same sums
//
//   weight_gradient, norm_act:  dw from max(a(x), 0) and dy
//
//   input_gradient, norm_act:   dz = conv^T(dy, w) where the batch norm of x is positive, else 0; the
//                               gradients of its scale and shift; three factors a channel of which dx could
//                               be made
struct ConvProblem {
  ConvPass pass = ConvPass::forward;
  Precision precision = Precision::fp32;
  bool deterministic = false;
  std::int64_t batch = 0;
  ConvMap input, output;
  std::array<std::int64_t, 2> kernel{1, 1};
  std::array<std::int64_t, 2> stride{1, 1};
  std::array<std::int64_t, 2> padding{0, 0};
  std::array<std::int64_t, 2> dilation{1, 1};
  std::int64_t groups = 1;
  ConvFusion fusion = ConvFusion::none;

  auto operator<=>(const ConvProblem&) const = default;
  // "input_gradient of 128 x 32x32x16 -> 32x32x16, 3x3, stride 1, padding 1, bf16"
  [[nodiscard]] std::string to_string() const;
  // Elements of one tensor.
  [[nodiscard]] std::int64_t input_elements() const;
  [[nodiscard]] std::int64_t output_elements() const;
  [[nodiscard]] std::int64_t filter_elements() const;
  // Multiply-adds of the pass, those with padding lanes included.
  [[nodiscard]] std::int64_t macs() const;
  // Bytes that must move at least: each operand read and the result written once.
  [[nodiscard]] std::int64_t bytes() const;
};

// Throws Error that says why for a fusion that cuDNN has on no GPU: of a pass that has none, of another
// precision, with groups, with channels that are not multiples of 8.
void require_fusible(const ConvProblem& problem);

// A convolution node as its kernel runs it.
struct ConvGeometry {
  ConvLayout layout = ConvLayout::dense;
  ConvProblem problem;            // of the forward pass
  std::int64_t in_channels = 0;   // logical
  std::int64_t out_channels = 0;  // logical
  bool copies_input = false;      // layout grouped: the map is copied to or from a dense one
  bool copies_output = false;     // likewise
  [[nodiscard]] ConvProblem pass(ConvPass pass, ConvFusion fusion = ConvFusion::none) const;
  // True when the fp32 masters are what cuDNN reads.
  [[nodiscard]] bool uses_masters() const;
};

// `input` and `output` carry shapes and leading dimensions; throws Error when they do not fit the node.
[[nodiscard]] ConvGeometry conv_geometry(const Node& node, Precision precision, const Tensor& input,
                                         const Tensor& output);

}  // namespace secateur
