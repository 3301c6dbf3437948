// Kernels of the CPU under the contracts of secateur::kernels, for fp32: what other programs and the
// benchmark call; networks run on the ops and primitives. Results do not depend on the number of threads.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "secateur/core/tensor.h"

namespace secateur::cpu {

// Each [N, C], dense; null where it is not wanted.
struct MapMoments {
  float* mean = nullptr;
  float* centred_squares = nullptr;
  float* smallest = nullptr;
  float* largest = nullptr;
};

// For each image and channel of maps [N, H, W, C], over its T = H * W positions:
//   mean = 1/T sum x      centred_squares = sum (x - mean)^2      smallest, largest = min x, max x
// Squares are taken about the mean and corrected for its rounding (Chan, Golub and LeVeque 1983), so that
// nothing cancels when the mean is much larger than the deviation. NaN or infinity among the values makes
// mean and centred_squares NaN (or infinite); the extremes ignore NaN. Throws Error for maps that are not f32
// or have no positions; no images, no work.
void channel_moments(const Tensor& maps, const MapMoments& moments);

inline constexpr std::size_t kMostImageChannels = 4;

// Offsets and flips are drawn as secateur::kernels::augment and data::Loader draw them: from
// RandomSequence(seed, RngPurpose::augmentation, epoch, sample), dy below height + 2 padding - out height +
// 1, dx likewise, and a bit that flips where it is 1. Without random_crop both offsets are the middle,
// rounded down.
struct AugmentOptions {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t padding = 0;
  bool random_crop = false;
  bool random_flip = false;
  std::uint64_t seed = 0;
  std::array<float, kMostImageChannels> mean{};
  std::array<float, kMostImageChannels> inverse_deviation{1, 1, 1, 1};
};

// out[n, h, w, c] = (pixel / 255 - mean[c]) * inverse_deviation[c], pixel from image samples[n] of `source`,
// uint8 [*, height, width, channels], at row h + dy - padding and column w' + dx - padding, with w' = w or,
// flipped, out width - 1 - w; black (0) outside the image. Padding lanes of out are written as zeros. Throws
// Error for shapes that do not fit, and for samples that `source` does not hold.
void augment(const Tensor& out, std::span<const std::uint8_t> source, std::span<const std::int32_t> samples,
             std::uint32_t epoch, const AugmentOptions& options);

}  // namespace secateur::cpu
