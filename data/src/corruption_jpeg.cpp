// What JPEG loses (ITU-T T.81, JFIF; tables and their scaling as in libjpeg): colour at half resolution, and
// rounded DCT coefficients of blocks of 8 x 8.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "corruption_map.h"

namespace secateur::data::corruptions {
namespace {

constexpr std::int64_t kBlock = 8;
using Block = std::array<double, kBlock * kBlock>;
using Quantizers = std::array<int, kBlock * kBlock>;

// Tables K.1 and K.2 of the standard, row by row.
constexpr Quantizers kLuminance{16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
                                14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
                                18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
                                49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99};
constexpr Quantizers kChrominance{17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
                                  24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
                                  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
                                  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99};

Quantizers scaled(Quantizers table, int quality) {
  const int percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  for (int& step : table) step = std::clamp((step * percent + 50) / 100, 1, 255);
  return table;
}

// Orthonormal DCT-II: row k holds the k-th basis function.
const Block& cosines() {
  static const Block basis = [] {
    Block values{};
    for (std::int64_t k = 0; k < kBlock; ++k) {
      for (std::int64_t n = 0; n < kBlock; ++n) {
        values[static_cast<std::size_t>(k * kBlock + n)] =
            (k == 0 ? std::sqrt(0.125) : 0.5) *
            std::cos((2 * static_cast<double>(n) + 1) * static_cast<double>(k) * std::numbers::pi / 16);
      }
    }
    return values;
  }();
  return basis;
}

// basis * block * basis^T, or with `back` basis^T * block * basis.
Block transformed(const Block& block, bool back) {
  const Block& basis = cosines();
  const auto weight = [&](std::size_t i, std::size_t j) { return basis[back ? j * 8 + i : i * 8 + j]; };
  Block rows{};
  Block result{};
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      for (std::size_t k = 0; k < 8; ++k) rows[i * 8 + j] += weight(i, k) * block[k * 8 + j];
    }
  }
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      for (std::size_t k = 0; k < 8; ++k) result[i * 8 + j] += rows[i * 8 + k] * weight(j, k);
    }
  }
  return result;
}

float grey_level(double value) { return static_cast<float>(std::clamp(std::round(value), 0.0, 255.0)); }

// A plane of 8-bit values after quantisation; sides that are no multiple of 8 are continued by their last
// pixels.
void quantize(PixelMap& plane, const Quantizers& steps) {
  for (std::int64_t top = 0; top < plane.height; top += kBlock) {
    for (std::int64_t left = 0; left < plane.width; left += kBlock) {
      Block block{};
      for (std::int64_t i = 0; i < kBlock * kBlock; ++i) {
        const std::int64_t y = inside(top + i / kBlock, plane.height, Border::clamp);
        const std::int64_t x = inside(left + i % kBlock, plane.width, Border::clamp);
        block[static_cast<std::size_t>(i)] = plane.at(y, x) - 128.0;
      }
      block = transformed(block, false);
      for (std::size_t i = 0; i < block.size(); ++i) block[i] = std::round(block[i] / steps[i]) * steps[i];
      block = transformed(block, true);
      for (std::int64_t y = top; y < std::min(top + kBlock, plane.height); ++y) {
        for (std::int64_t x = left; x < std::min(left + kBlock, plane.width); ++x) {
          plane.at(y, x) = grey_level(block[static_cast<std::size_t>((y - top) * kBlock + x - left)] + 128.0);
        }
      }
    }
  }
}

// Half resolution: means of 2 x 2 pixels.
PixelMap halved(const PixelMap& plane) {
  PixelMap half((plane.height + 1) / 2, (plane.width + 1) / 2, 1);
  for (std::int64_t y = 0; y < half.height; ++y) {
    for (std::int64_t x = 0; x < half.width; ++x) {
      const std::int64_t y1 = std::min(2 * y + 1, plane.height - 1);
      const std::int64_t x1 = std::min(2 * x + 1, plane.width - 1);
      half.at(y, x) = grey_level(
          (plane.at(2 * y, 2 * x) + plane.at(2 * y, x1) + plane.at(y1, 2 * x) + plane.at(y1, x1)) / 4);
    }
  }
  return half;
}

// A pixel at full resolution: 3/4 of the nearer and 1/4 of the further neighbour along each axis, which is
// linear interpolation between the centres.
float upsampled(const PixelMap& half, std::int64_t y, std::int64_t x) {
  return sample(half, (static_cast<double>(y) - 0.5) / 2, (static_cast<double>(x) - 0.5) / 2, 0,
                Border::clamp);
}

}  // namespace

PixelMap jpeg_compression(Scene& scene) {
  const int quality = scene.parameter<int>({80, 65, 58, 50, 40}, {25, 18, 15, 10, 7});
  PixelMap& image = scene.image;
  PixelMap luma(image.height, image.width, 1);
  PixelMap blue(image.height, image.width, 1);
  PixelMap red(image.height, image.width, 1);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      const double r = 255.0 * image.at(y, x, 0);
      const double g = 255.0 * image.at(y, x, 1);
      const double b = 255.0 * image.at(y, x, 2);
      luma.at(y, x) = grey_level(0.299 * r + 0.587 * g + 0.114 * b);
      blue.at(y, x) = grey_level(-0.168735892 * r - 0.331264108 * g + 0.5 * b + 128);
      red.at(y, x) = grey_level(0.5 * r - 0.418687589 * g - 0.081312411 * b + 128);
    }
  }
  blue = halved(blue);
  red = halved(red);
  const Quantizers coarse = scaled(kChrominance, quality);
  quantize(luma, scaled(kLuminance, quality));
  quantize(blue, coarse);
  quantize(red, coarse);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      const float cb = upsampled(blue, y, x) - 128;
      const float cr = upsampled(red, y, x) - 128;
      image.at(y, x, 0) = (luma.at(y, x) + 1.402F * cr) / 255;
      image.at(y, x, 1) = (luma.at(y, x) - 0.344136286F * cb - 0.714136286F * cr) / 255;
      image.at(y, x, 2) = (luma.at(y, x) + 1.772F * cb) / 255;
    }
  }
  return std::move(image);
}

}  // namespace secateur::data::corruptions
