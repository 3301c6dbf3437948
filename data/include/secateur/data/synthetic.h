// The synthetic set: ten classes of rendered shapes, 32x32 RGB, made on the spot from a seed.
//
// One shape an image, of random position, size, rotation (up to 35 degrees either way), colour and texture,
// with a soft shadow, on a background of random colours, gradient, texture and relief, among distractors,
// partly covered by a bar in half of the images, under noise. What does not tell the classes apart: colours
// (drawn without regard to the class), area and centre of mass of the shape (the same for all classes).
#pragma once

#include <cstdint>

#include "secateur/data/dataset.h"

namespace secateur::data {

struct SyntheticOptions {
  std::int64_t train_size = 10000;
  std::int64_t test_size = 2000;
  std::uint64_t seed = 1;
};

// Both parts; normalised with the statistics of the training part. Image i of a part depends only on the
// seed, the part and i, so that a larger set begins with the smaller one. Classes are balanced in every ten
// images from a multiple of ten on. Throws Error unless both sizes are positive and below 2^32.
[[nodiscard]] DataSets make_synthetic(const SyntheticOptions& options);

}  // namespace secateur::data
