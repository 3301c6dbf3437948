// What cuDNN calls convolutions, their passes and their tensors.
#pragma once

#include <array>
#include <cstdint>

#include "backend/cuda/cudnn_descriptor.h"
#include "secateur/backend/conv_problem.h"

namespace secateur {

// A tensor with extents in cuDNN's order N, C, H, W (K, C, R, S for filters), laid out with channels last; a
// `passing` one lies between the operations of a graph and is never written.
[[nodiscard]] CudnnDescriptor channels_last(std::int64_t uid, DType type, std::array<std::int64_t, 4> nchw,
                                            bool passing = false);

// Cross-correlation with sums in fp32.
[[nodiscard]] CudnnDescriptor convolution_descriptor(const ConvProblem& problem);

// What the three passes call the same things.
struct ConvPassNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, input, filter, output, alpha, beta;
};
[[nodiscard]] const ConvPassNames& conv_pass_names(ConvPass pass);

// Fills in a pass's operation, all but its finalisation: result = pass of the operands, not added to what is
// there.
void set_convolution(CudnnDescriptor& operation, ConvPass pass, const CudnnDescriptor& convolution,
                     const CudnnDescriptor& input, const CudnnDescriptor& filter,
                     const CudnnDescriptor& output);

}  // namespace secateur
