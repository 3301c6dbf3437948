// What a convolution is to oneDNN: the descriptions of its operands, made from a node and its tensors. For
// the kernels of convolutions alone.
#pragma once

#include <optional>

#include "backend/cpu/onednn_operands.h"
#include "backend/cpu/weight_gradient.h"
#include "backend/cpu/winograd.h"
#include "secateur/backend/kernel.h"

namespace secateur::cpu {

// Attributes of a primitive whose scratchpad lies in the kernel's workspace.
inline dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

// Logical extents are NCHW and OIHW in oneDNN; the tags say how they lie in memory.
struct ConvolutionOperands {
  explicit ConvolutionOperands(const KernelSetup& setup);

  // The problem for the own loop over weight gradients, where that takes it. In fp32, like Winograd's.
  [[nodiscard]] std::optional<WeightGradientProblem> own_weight_gradient(const KernelSetup& setup) const;
  // The layer for Winograd's filtering, where its filters are such: 3x3, stride 1. Ask takes() for each pass.
  [[nodiscard]] std::optional<WinogradProblem> winograd(const KernelSetup& setup) const;

  std::int64_t groups = 1;
  FilterLanes lanes;
  Dims strides, dilations;  // oneDNN counts the gaps of a dilated filter
  Dims before, behind;      // padding
  Description source, destination;
  Description weights;       // as the user has them, KRSC
  Description any_weights;   // to multiply with, in the layout that the primitive chooses
  Description any_gradient;  // of the weights
};

}  // namespace secateur::cpu
