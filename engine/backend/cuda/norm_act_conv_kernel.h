// norm_act_conv2d on cuDNN (graph/conv_fusion.h): a convolution that applies batch norm and ReLU to what it
// reads, in three passes of fused engines. The normalised map is never in memory: the map that came in is
// read again by both gradients.
//
// Forward: statistics of the batch from the sums that came with the map (a small kernel: mean, inverse
// deviation, running statistics, factor and offset a channel), then the convolution, which gives sums of its
// own output.
//
// Backward: the weight gradient, with batch norm and ReLU applied in its main loop; the input gradient,
// masked by the ReLU, with the gradients of batch norm's scale and shift from its epilogue; and from these
// the gradient of the map that came in, in place (batch_norm_act_backward_apply).
//
// Maps are computed over their stored width, as conv2d's are: odd widths run on padding lanes, for which
// factor, offset and parameters are zero.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backend/cuda/conv_kernel.h"

namespace secateur {

// Throws Error that names the layer when a pass has no engine. The runtime's objects must outlive the kernel.
[[nodiscard]] std::unique_ptr<Kernel> make_norm_act_conv_kernel(const KernelSetup& setup,
                                                                const ConvRuntime& runtime);
// Why there is no such kernel for a setup, or nothing.
[[nodiscard]] std::optional<std::string> why_no_norm_act_conv(const KernelSetup& setup,
                                                              const ConvRuntime& runtime);

}  // namespace secateur
