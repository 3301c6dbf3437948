// What a loader does to a decoded image: which part of it is taken, and how that part becomes the network's
// input.
#pragma once

#include <cstdint>

#include "secateur/core/rng.h"
#include "secateur/data/image_codec.h"

namespace secateur::data {

// Random resized crop (Szegedy et al., "Going deeper with convolutions", CVPR 2015): a share of the area from
// [least_area, 1] and a ratio width / height whose logarithm is uniform; ten tries, then the largest central
// part with a ratio in the range. Draws, in this order and for each try: area, ratio, and where the part
// fits, its y and its x.
struct RandomCrop {
  double least_area = 0.08;
  double least_ratio = 3.0 / 4.0;
  double greatest_ratio = 4.0 / 3.0;

  [[nodiscard]] Region draw(std::int64_t height, std::int64_t width, RandomSequence& random) const;
};

// Which samples of the scaled image a resampling writes.
struct Output {
  std::int64_t scaled_height = 0;  // extent of the whole region, scaled
  std::int64_t scaled_width = 0;
  std::int64_t y = 0;  // first row and column that are written
  std::int64_t x = 0;
  std::int64_t height = 0;  // how many
  std::int64_t width = 0;
  bool mirrored = false;  // columns from right to left

  // The whole region as size x size samples.
  [[nodiscard]] static Output all(std::int64_t size, bool mirrored);
  // The size x size samples at the centre of a height x width image whose shorter side was scaled to
  // `shorter` (rounded as torchvision's Resize and CenterCrop do).
  [[nodiscard]] static Output center(std::int64_t height, std::int64_t width, std::int64_t shorter,
                                     std::int64_t size);
  // The whole pixels of a height x width image that resampling all of it to this output reads.
  [[nodiscard]] Region reads(std::int64_t height, std::int64_t width) const;
};

// `region` of the image (it may reach beyond the pixels where the output reads none) scaled to
// output.scaled_height x output.scaled_width, of which the output's part goes to rgb [output.height,
// output.width, 3]. Bilinear, and antialiased where it shrinks: a triangle filter as wide as the scale, cut
// off at the region's edge (Pillow's BILINEAR; PyTorch's antialias=True). In integers, so that every machine
// writes the same bytes; within one level of exact arithmetic.
void resample(const RgbxImage& image, const Region& region, const Output& output, std::uint8_t* rgb);

// Brightness, contrast and saturation, each by a factor uniform in [1 - strength, 1 + strength], then the hue
// turned by a part of the colour circle uniform in [-hue, hue]; drawn and applied in this order
// (torchvision's ColorJitter, which shuffles the order).
struct ColorJitter {
  double strength = 0;  // 0: nothing is drawn for the first three
  double hue = 0;       // 0: nothing is drawn for the hue; at most 0.5

  void apply(std::uint8_t* rgb, std::int64_t pixels, RandomSequence& random) const;
};

// Turns the hue of each pixel by `turn` of the circle, in hexcone HSV (Smith 1978), as torchvision's
// adjust_hue does; saturation and value stay, and so do greys.
void turn_hue(std::uint8_t* rgb, std::int64_t pixels, double turn);

}  // namespace secateur::data
