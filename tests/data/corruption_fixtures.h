// Small images and measures for the tests of corruptions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <vector>

#include "data_fixtures.h"
#include "secateur/data/corruption.h"

namespace secateur::data {

using Bytes = std::vector<std::uint8_t>;
inline constexpr MapShape kSmall{32, 32, 3};
inline constexpr std::uint64_t kSeed = 11;

inline Bytes run(const Bytes& image, Corruption corruption, int severity, std::uint32_t index = 0,
                 MapShape shape = kSmall) {
  return corrupt(image, shape, corruption, severity, kSeed, index);
}

inline Bytes constant(std::uint8_t r, std::uint8_t g, std::uint8_t b, MapShape shape = kSmall) {
  Bytes image;
  for (std::int64_t i = 0; i < shape.positions(); ++i) image.insert(image.end(), {r, g, b});
  return image;
}

// Value of a channel at (y, x), from a function of the position.
inline Bytes painted(const std::function<std::uint8_t(std::int64_t, std::int64_t, std::int64_t)>& value,
                     MapShape shape = kSmall) {
  Bytes image;
  for (std::int64_t y = 0; y < shape.height; ++y) {
    for (std::int64_t x = 0; x < shape.width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) image.push_back(value(y, x, c));
    }
  }
  return image;
}

inline int pixel(const Bytes& image, std::int64_t y, std::int64_t x, std::int64_t c = 0,
                 std::int64_t width = 32) {
  return image[static_cast<std::size_t>((y * width + x) * 3 + c)];
}

inline double mean_of(const Bytes& image) {
  double sum = 0;
  for (const std::uint8_t value : image) sum += value;
  return sum / static_cast<double>(image.size());
}

inline double deviation_of(const Bytes& image) {
  const double mean = mean_of(image);
  double sum = 0;
  for (const std::uint8_t value : image) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(image.size()));
}

inline double squared_difference(const Bytes& a, const Bytes& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

inline int largest_difference(const Bytes& a, const Bytes& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace secateur::data
