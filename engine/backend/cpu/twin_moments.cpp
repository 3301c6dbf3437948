#include <algorithm>
#include <array>
#include <limits>

#include "secateur/backend/cpu_twins.h"
#include "secateur/core/error.h"

namespace secateur::cpu {
namespace {

constexpr std::int64_t kStrip = 64;  // channels whose sums lie on the stack
constexpr std::int64_t kGroup = 8;   // positions that are added up in float

using Floats = std::array<float, kStrip>;
using Doubles = std::array<double, kStrip>;

// A strip of an image's channels. The image is read from memory once and from the cache the second time.
struct Strip {
  const float* maps;
  std::int64_t positions, leading, channels;

  // Calls `add(row)` for every position, and `fold()` after each group of them.
  template <class Add, class Fold>
  void visit(const Add& add, const Fold& fold) const {
    for (std::int64_t first = 0; first < positions; first += kGroup) {
      const std::int64_t last = std::min(first + kGroup, positions);
      for (std::int64_t t = first; t < last; ++t) add(maps + t * leading);
      fold();
    }
  }
};

void fold_into(Floats& partial, Doubles& total, std::int64_t channels) {
#pragma omp simd
  for (std::int64_t c = 0; c < channels; ++c) {
    total[c] += static_cast<double>(partial[c]);
    partial[c] = 0;
  }
}

void store(float* output, std::int64_t offset, const auto& values, std::int64_t channels) {
  if (output == nullptr) return;
  for (std::int64_t c = 0; c < channels; ++c) output[offset + c] = static_cast<float>(values[c]);
}

void describe(const Strip& strip, const MapMoments& moments, std::int64_t offset) {
  const std::int64_t channels = strip.channels;
  const auto count = static_cast<double>(strip.positions);
  Floats partial{};
  Floats low;
  Floats high;
  Doubles sum{};
  low.fill(std::numeric_limits<float>::infinity());
  high.fill(-std::numeric_limits<float>::infinity());
  strip.visit(
      [&](const float* row) {
#pragma omp simd
        for (std::int64_t c = 0; c < channels; ++c) {
          partial[c] += row[c];
          low[c] = row[c] < low[c] ? row[c] : low[c];
          high[c] = row[c] > high[c] ? row[c] : high[c];
        }
      },
      [&] { fold_into(partial, sum, channels); });

  Floats center{};
  for (std::int64_t c = 0; c < channels; ++c) center[c] = static_cast<float>(sum[c] / count);
  Floats square{};
  Doubles rest{};
  Doubles squares{};
  strip.visit(
      [&](const float* row) {
#pragma omp simd
        for (std::int64_t c = 0; c < channels; ++c) {
          const float d = row[c] - center[c];
          partial[c] += d;
          square[c] += d * d;
        }
      },
      [&] {
        fold_into(partial, rest, channels);
        fold_into(square, squares, channels);
      });
  for (std::int64_t c = 0; c < channels; ++c) {
    const double offset_of_center = rest[c] / count;
    sum[c] = static_cast<double>(center[c]) + offset_of_center;
    squares[c] -= rest[c] * offset_of_center;
  }
  store(moments.mean, offset, sum, channels);
  store(moments.centred_squares, offset, squares, channels);
  store(moments.smallest, offset, low, channels);
  store(moments.largest, offset, high, channels);
}

}  // namespace

void channel_moments(const Tensor& maps, const MapMoments& moments) {
  require(maps.shape.rank() == 4, "feature maps are [N, H, W, C], got {}", maps.shape.to_string());
  require(maps.dtype == DType::f32, "the CPU's moments take f32, got {}", name_of(maps.dtype));
  const std::int64_t positions = maps.shape[1] * maps.shape[2];
  require(maps.shape[0] == 0 || positions > 0, "maps {} have no positions", maps.shape.to_string());
  const std::int64_t channels = maps.channels();
  const std::int64_t strips = (channels + kStrip - 1) / kStrip;
#pragma omp parallel for schedule(static) if (maps.count() > 16384)
  for (std::int64_t item = 0; item < maps.shape[0] * strips; ++item) {
    const std::int64_t image = item / strips;
    const std::int64_t first = item % strips * kStrip;
    describe({maps.as<float>() + image * positions * maps.leading + first, positions, maps.leading,
              std::min(kStrip, channels - first)},
             moments, image * channels + first);
  }
}

}  // namespace secateur::cpu
