// A training batch from a data set that lies on the device: padded random crop, random flip, normalisation,
// cast and channel padding, in one read and one write.
//
//   out[n, h, w, c] = (pixel / 255 - mean[c]) * inverse_deviation[c]
//
// pixel comes from image samples[*first + n] of `source`, uint8 [*, height, width, channels] dense, at row h
// + dy - padding and column w' + dx - padding, with w' = w or, flipped, out_width - 1 - w; outside the image
// it is 0 (black). Lanes channels .. ld-1 of out are written as zeros. With labels, out_labels[n] =
// labels[*first
// + n] in the same launch.
//
// Random numbers are Philox4x32-10 with key = seed and counter {position, sample, epoch, 3}: what a sample
// looks like depends on (seed, epoch, sample) only. In this order, each by Lemire's unbiased method: dy below
// height + 2 padding - out_height + 1, dx below width + 2 padding - out_width + 1, and a bit: flipped where
// it is 1 (drawn also where flips are off). Without random_crop both offsets are the middle, rounded down.
//
// out [count, out_height, out_width, ld]. All of AugmentBatch is in device memory and read when the kernel
// runs: a captured launch makes the next batch where *first was moved on. *first and the indices in samples
// are trusted.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

inline constexpr int kMaxImageChannels = 4;

struct AugmentOptions {
  DType type = DType::f32;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;
  std::int64_t out_height = 0;
  std::int64_t out_width = 0;
  std::int64_t padding = 0;
  std::int64_t ld = 3;
  bool random_crop = false;
  bool random_flip = false;
  std::uint64_t seed = 0;
  float mean[kMaxImageChannels] = {};
  float inverse_deviation[kMaxImageChannels] = {1.0F, 1.0F, 1.0F, 1.0F};
};

// Which samples a batch is made of.
struct AugmentBatch {
  const std::int32_t* samples = nullptr;  // of an epoch, in its order; null: 0, 1, 2, ...
  const std::uint32_t* epoch = nullptr;   // null: 0
  const std::int64_t* first = nullptr;    // place of the batch in samples and labels; null: 0
  const std::int32_t* labels = nullptr;   // in the order of samples; null: none
  std::int32_t* out_labels = nullptr;     // [count]
};

[[nodiscard]] Status augment(void* out, const std::uint8_t* source, const AugmentBatch& batch,
                             std::int64_t count, const AugmentOptions& options, StreamHandle stream);

}  // namespace secateur::kernels
