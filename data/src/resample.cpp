#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "secateur/data/transforms.h"

namespace secateur::data {
namespace {

// Weights are whole 2^-14; between the passes a value is a level in 2^-6.
constexpr int kWeightBits = 14;
constexpr int kFractionBits = 6;
constexpr std::int32_t kOne = 1 << kWeightBits;

// For each output sample of an axis: the first input sample that it reads, and the weights from there on.
struct Taps {
  std::vector<std::int64_t> first;
  std::vector<std::int32_t> weights;  // [outputs, length], zeros at the end
  std::int64_t length = 0;
};

// `origin` and `extent`: the region along this axis, in input samples; `inputs`: how many there are. A region
// may begin before them and end behind, where no output that is asked for reads so far.
Taps triangle_taps(double origin, double extent, std::int64_t inputs, std::int64_t scaled, std::int64_t begin,
                   std::int64_t count) {
  const double scale = extent / static_cast<double>(scaled);
  const double support = std::max(scale, 1.0);
  const auto low = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(origin)));
  const std::int64_t high = std::min(inputs, static_cast<std::int64_t>(std::ceil(origin + extent)));
  Taps taps;
  // At most floor(x + 2 support) - floor(x); what rounding would add to that has no weight.
  taps.length = static_cast<std::int64_t>(std::ceil(2 * support));
  taps.first.resize(static_cast<std::size_t>(count));
  taps.weights.assign(static_cast<std::size_t>(count * taps.length), 0);
  std::vector<double> exact;
  for (std::int64_t i = 0; i < count; ++i) {
    const double center = origin + (static_cast<double>(begin + i) + 0.5) * scale;
    const std::int64_t first = std::max(low, static_cast<std::int64_t>(std::floor(center - support + 0.5)));
    const std::int64_t end =
        std::min({high, first + taps.length, static_cast<std::int64_t>(std::floor(center + support + 0.5))});
    exact.clear();
    double sum = 0;
    for (std::int64_t k = first; k < end; ++k) {
      exact.push_back(std::max(0.0, 1 - std::abs(static_cast<double>(k) + 0.5 - center) / support));
      sum += exact.back();
    }
    // The greatest weight takes what rounding left over: a constant stays the constant.
    std::int32_t* weights = taps.weights.data() + i * taps.length;
    std::int32_t total = 0;
    std::size_t greatest = 0;
    for (std::size_t k = 0; k < exact.size(); ++k) {
      weights[k] = static_cast<std::int32_t>(std::lround(exact[k] / sum * kOne));
      total += weights[k];
      if (weights[k] > weights[greatest]) greatest = k;
    }
    weights[greatest] += kOne - total;
    taps.first[static_cast<std::size_t>(i)] = first;
  }
  return taps;
}

// One row of the output, columns still those of the input: samples [begin, begin + count) of each row, in
// 2^-kFractionBits.
void blend_rows(const std::uint8_t* first_row, std::int64_t stride, const std::int32_t* weights,
                std::int64_t rows, std::int64_t count, std::int32_t* sums, std::uint16_t* blended) {
  constexpr int kShift = kWeightBits - kFractionBits;
  std::fill_n(sums, count, 1 << (kShift - 1));
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int32_t weight = weights[r];
    if (weight == 0) continue;
    const std::uint8_t* row = first_row + r * stride;
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) sums[i] += weight * row[i];
  }
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) blended[i] = static_cast<std::uint16_t>(sums[i] >> kShift);
}

// The four lanes of a pixel in one register (GCC's and Clang's vectors): left to itself the compiler adds
// them up in memory, five times as slowly.
using FourShorts [[gnu::vector_size(8)]] = std::uint16_t;
using FourInts [[gnu::vector_size(16)]] = std::int32_t;

// One pixel from `columns` pixels side by side.
void blend_columns(const std::uint16_t* first_pixel, const std::int32_t* weights, std::int64_t columns,
                   std::uint8_t* rgb) {
  constexpr int kShift = kWeightBits + kFractionBits;
  constexpr std::int32_t kHalf = 1 << (kShift - 1);
  FourInts sums{kHalf, kHalf, kHalf, 0};
  for (std::int64_t k = 0; k < columns; ++k) {
    FourShorts pixel;
    std::memcpy(&pixel, first_pixel + k * 4, sizeof pixel);
    sums += __builtin_convertvector(pixel, FourInts) * weights[k];
  }
  sums >>= kShift;
  for (int c = 0; c < 3; ++c) rgb[c] = static_cast<std::uint8_t>(sums[c]);
}

}  // namespace

void resample(const RgbxImage& image, const Region& region, const Output& output, std::uint8_t* rgb) {
  const Taps rows =
      triangle_taps(region.y, region.height, image.height, output.scaled_height, output.y, output.height);
  const Taps columns =
      triangle_taps(region.x, region.width, image.width, output.scaled_width, output.x, output.width);
  // Input columns that any output reads. A tap's zeros at the end may reach beyond the image: room for them.
  const std::int64_t left = columns.first.front();
  const std::int64_t read_end = columns.first.back() + columns.length;
  const std::int64_t right = std::min(read_end, image.width);
  std::vector<std::int32_t> sums(static_cast<std::size_t>((right - left) * 4));
  std::vector<std::uint16_t> blended(static_cast<std::size_t>((read_end - left) * 4), 0);
  for (std::int64_t y = 0; y < output.height; ++y) {
    const std::int64_t top = rows.first[static_cast<std::size_t>(y)];
    const std::int64_t height = std::min(rows.length, image.height - top);
    blend_rows(image.pixels.data() + (top * image.width + left) * 4, image.width * 4,
               rows.weights.data() + y * rows.length, height, (right - left) * 4, sums.data(),
               blended.data());
    for (std::int64_t x = 0; x < output.width; ++x) {
      const std::int64_t from = columns.first[static_cast<std::size_t>(x)] - left;
      const std::int64_t to = output.mirrored ? output.width - 1 - x : x;
      blend_columns(blended.data() + from * 4, columns.weights.data() + x * columns.length, columns.length,
                    rgb + (y * output.width + to) * 3);
    }
  }
}

}  // namespace secateur::data
