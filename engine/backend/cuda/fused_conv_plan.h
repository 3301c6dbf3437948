// Plans of convolutions with batch norm and ReLU in their main loop and epilogue: the chain that leaves out
// the passes over activations between them (fp16; cuDNN has no such engine for other types, nor for widths
// that are not multiples of 8).
//
// With a_c = eq_scale_c * x_c + eq_bias_c, the batch norm of the layer before as one scale and offset a
// channel:
//   conv_statistics       y = conv(x, w);                sum_k, sum_of_squares_k over images and positions of
//   y act_conv_statistics   y = conv(max(a(x), 0), w);     the same act_weight_gradient   dw from max(a(x),
//   0) and dy input_gradient_act    dx = conv^T(dy, w) where the batch norm of x is positive, else 0; the
//   gradients of
//                         that batch norm's scale and shift, and what its own input gradient is made of
//                         (three factors a channel)
//
// Nothing runs these plans yet: they are planned, for GPUs that are there and for those that are described.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backend/cuda/plan_search.h"
#include "secateur/backend/conv_problem.h"

namespace secateur {

enum class FusedConv : std::uint8_t {
  conv_statistics,
  act_conv_statistics,
  act_weight_gradient,
  input_gradient_act,
};
[[nodiscard]] std::string_view name_of(FusedConv pattern);

// The engine of a pattern around the convolution of `problem` (its pass is the pattern's, not the problem's).
// Throws Error for another precision than fp16, for channels that are not multiples of 8, for groups, and
// where cuDNN has no engine.
[[nodiscard]] EnginePlan plan_fused_conv(FusedConv pattern, ConvProblem problem, const PlanSearch& search);

}  // namespace secateur
