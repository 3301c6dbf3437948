// Exponential moving average of a model's weights, one launch over the slab:
//
//   averages[i] += *weight * (values[i] - averages[i])
//
// *weight, 1 minus the decay, is read from *device* memory when the kernel runs, so that a captured graph
// follows a decay that warms up. Where *skip is not zero (an overflow was found), nothing is written. NaN and
// infinity take part like any number. Three passes over the slab: two reads and a write.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

// averages and values [count] fp32, which may not overlap; skip may be null.
[[nodiscard]] Status weight_average(float* averages, const float* values, std::int64_t count,
                                    const float* weight, const std::int32_t* skip, StreamHandle stream);

}  // namespace secateur::kernels
