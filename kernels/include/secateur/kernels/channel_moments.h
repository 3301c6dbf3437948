// Moments of every feature map: for each image and channel, over its positions,
//
//   mean = 1/T sum x      centred_squares = sum (x - mean)^2      smallest, largest = min x, max x
//
// maps [images, positions, channels], a position every `ld` elements; each output is [images, channels] fp32,
// dense, and may be null. Values are taken relative to the map's first one and merged in small groups, each
// around its own mean (Chan, Golub and LeVeque 1979): nothing cancels when the mean is much larger than the
// deviation. One read of the maps. NaN or infinity among the values makes mean and centred_squares NaN (or
// infinite); the extremes ignore NaN. images = 0 does nothing; positions must be positive.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

// Feature maps of several images.
struct MapShape {
  DType type = DType::f32;
  std::int64_t images = 0;
  std::int64_t positions = 0;
  std::int64_t channels = 0;
  std::int64_t ld = 0;
};

struct ChannelMoments {
  float* mean = nullptr;
  float* centred_squares = nullptr;
  float* smallest = nullptr;
  float* largest = nullptr;
};

[[nodiscard]] Status channel_moments(const ChannelMoments& moments, const void* maps, const MapShape& shape,
                                     StreamHandle stream);

}  // namespace secateur::kernels
