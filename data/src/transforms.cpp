#include "secateur/data/transforms.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace secateur::data {
namespace {

// Grey of a pixel as ITU-R BT.601 weighs it.
double grey_of(const std::uint8_t* rgb) { return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]; }

std::uint8_t to_level(double value) { return static_cast<std::uint8_t>(std::clamp(value + 0.5, 0.0, 255.0)); }

// Brightness, contrast and saturation.
void jitter_light(std::uint8_t* rgb, std::int64_t pixels, double strength, RandomSequence& random) {
  const std::int64_t count = pixels * 3;
  const auto factor = [&] { return random.uniform(std::max(0.0, 1 - strength), 1 + strength); };
  const double brightness = factor();
  const double contrast = factor();
  const double saturation = factor();
  for (std::int64_t i = 0; i < count; ++i) rgb[i] = to_level(rgb[i] * brightness);
  double mean = 0;
  for (std::int64_t i = 0; i < pixels; ++i) mean += grey_of(rgb + i * 3);
  mean /= static_cast<double>(pixels);
  for (std::int64_t i = 0; i < count; ++i) rgb[i] = to_level(mean + (rgb[i] - mean) * contrast);
  for (std::int64_t i = 0; i < pixels; ++i) {
    const double grey = grey_of(rgb + i * 3);
    for (std::int64_t c = 0; c < 3; ++c) {
      rgb[i * 3 + c] = to_level(grey + (rgb[i * 3 + c] - grey) * saturation);
    }
  }
}

}  // namespace

Region RandomCrop::draw(std::int64_t height, std::int64_t width, RandomSequence& random) const {
  const auto area = static_cast<double>(height * width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double part = area * random.uniform(least_area, 1);
    const double ratio = std::exp(random.uniform(std::log(least_ratio), std::log(greatest_ratio)));
    const std::int64_t w = std::lround(std::sqrt(part * ratio));
    const std::int64_t h = std::lround(std::sqrt(part / ratio));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const double y = random.below(static_cast<std::uint32_t>(height - h + 1));
    const double x = random.below(static_cast<std::uint32_t>(width - w + 1));
    return {y, x, static_cast<double>(h), static_cast<double>(w)};
  }
  const double ratio = static_cast<double>(width) / static_cast<double>(height);
  std::int64_t h = height;
  std::int64_t w = width;
  if (ratio < least_ratio) h = std::lround(static_cast<double>(width) / least_ratio);
  if (ratio > greatest_ratio) w = std::lround(static_cast<double>(height) * greatest_ratio);
  const std::int64_t y = (height - h) / 2;
  const std::int64_t x = (width - w) / 2;
  return {static_cast<double>(y), static_cast<double>(x), static_cast<double>(h), static_cast<double>(w)};
}

Output Output::all(std::int64_t size, bool mirrored) { return {size, size, 0, 0, size, size, mirrored}; }

Output Output::center(std::int64_t height, std::int64_t width, std::int64_t shorter, std::int64_t size) {
  Output output;
  output.scaled_height = height <= width ? shorter : shorter * height / width;
  output.scaled_width = height <= width ? shorter * width / height : shorter;
  output.y = std::lrint(static_cast<double>(output.scaled_height - size) / 2);
  output.x = std::lrint(static_cast<double>(output.scaled_width - size) / 2);
  output.height = size;
  output.width = size;
  return output;
}

Region Output::reads(std::int64_t image_height, std::int64_t image_width) const {
  const auto span = [](std::int64_t extent, std::int64_t scaled, std::int64_t begin, std::int64_t count) {
    const double scale = static_cast<double>(extent) / static_cast<double>(scaled);
    const double reach = std::max(scale, 1.0) + 1;
    const double low = std::floor(static_cast<double>(begin) * scale - reach);
    const double high = std::ceil(static_cast<double>(begin + count) * scale + reach);
    const double first = std::max(0.0, low);
    return std::pair(first, std::min(static_cast<double>(extent), high) - first);
  };
  const auto [first_row, rows] = span(image_height, scaled_height, y, height);
  const auto [first_column, columns] = span(image_width, scaled_width, x, width);
  return {first_row, first_column, rows, columns};
}

void turn_hue(std::uint8_t* rgb, std::int64_t pixels, double turn) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    std::uint8_t* pixel = rgb + i * 3;
    const auto [low, high] = std::minmax({pixel[0], pixel[1], pixel[2]});
    const double chroma = high - low;
    if (chroma == 0) continue;
    // In sextants from red, over yellow, green, cyan, blue and magenta.
    double sextant = 0;
    if (high == pixel[0]) {
      sextant = (pixel[1] - pixel[2]) / chroma;
    } else if (high == pixel[1]) {
      sextant = 2 + (pixel[2] - pixel[0]) / chroma;
    } else {
      sextant = 4 + (pixel[0] - pixel[1]) / chroma;
    }
    sextant += 6 * turn;
    // Each primary falls from its full value at one sextant's distance to nothing at two.
    for (int c = 0; c < 3; ++c) {
      const double distance = std::abs(std::remainder(sextant - 2 * c, 6.0));
      pixel[c] = to_level(high - chroma * std::clamp(distance - 1, 0.0, 1.0));
    }
  }
}

void ColorJitter::apply(std::uint8_t* rgb, std::int64_t pixels, RandomSequence& random) const {
  if (strength > 0) jitter_light(rgb, pixels, strength, random);
  if (hue > 0) turn_hue(rgb, pixels, random.uniform(-hue, hue));
}

}  // namespace secateur::data
