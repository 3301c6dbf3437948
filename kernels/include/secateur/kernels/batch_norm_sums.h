// Batch normalisation's statistics from sums that whoever wrote the map has taken on the way (a convolution's
// epilogue), and what the next convolution needs to apply it in its main loop:
//
//   mean = sum / rows      variance = sum_of_squares / rows - mean^2, not below 0
//   inverse_deviation = 1 / sqrt(variance + epsilon)
//   factor = scale * inverse_deviation      offset = shift - mean * factor
//   so that batch_norm(x) = factor * x + offset
//
// The sums are fp32 and about zero, unlike the statistics of batch_norm_act.h: where a channel's mean is m
// times its deviation, the variance has a relative error of about m^2 * 2^-23.
// Running statistics follow as there. A NaN in a sum makes that channel's results NaN.
#pragma once

#include <cstdint>

#include "secateur/kernels/batch_norm_act.h"
#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

struct BatchNormSums {  // [channels] each
  const float* sum = nullptr;
  const float* sum_of_squares = nullptr;
};

// What is made of them. Lanes channels .. stored_channels-1 of each are written as zeros, so that the padding
// lanes of a map stay zeros in whatever is computed with them.
struct BatchNormFinished {
  float* mean = nullptr;
  float* inverse_deviation = nullptr;
  // Copies of the parameters, and factor and offset in fp16: all of them, or all null.
  float* scale = nullptr;
  float* shift = nullptr;
  void* factor = nullptr;
  void* offset = nullptr;
};

// One launch, a thread a channel. rows is at least 1; channels = 0 does nothing.
[[nodiscard]] Status batch_norm_finish_sums(const BatchNormFinished& finished,
                                            const BatchNormRunning& running, const BatchNormSums& sums,
                                            std::int64_t rows, const BatchNormParameters& parameters,
                                            std::int64_t channels, std::int64_t stored_channels,
                                            StreamHandle stream);

}  // namespace secateur::kernels
