// Redundancy of feature maps: sums of correlations between the channels of an image. One image a thread; its
// maps are read from memory once and stay in the cache for the passes that follow. The contributions of the
// images are added in their order.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_primitives.h"

namespace secateur::cpu {
namespace {

constexpr std::int64_t kRowTile = 4;     // channels of the left operand kept in registers
constexpr std::int64_t kColumnTile = 8;  // of the right one: two vectors of doubles

std::int64_t padded(std::int64_t channels) {
  return (channels + kColumnTile - 1) / kColumnTile * kColumnTile;
}

// What a thread needs for one image; `width` channels, padded with channels that count as constant.
struct ImageScratch {
  std::int64_t width;
  double *mean, *scale, *low, *high, *row_sum;
  double* standardized;  // [positions, width], for pairs only

  static std::int64_t doubles(std::int64_t channels, std::int64_t positions, bool pairs) {
    return padded(channels) * (5 + (pairs ? positions : 0));
  }
  // In `memory` of that many doubles.
  ImageScratch(std::int64_t channels, double* memory)
      : width(padded(channels)),
        mean(memory),
        scale(mean + width),
        low(scale + width),
        high(low + width),
        row_sum(high + width),
        standardized(row_sum + width) {}
};

// Memory that the calling thread keeps: a scoring pass takes the same again and again.
double* kept_memory(std::int64_t doubles) {
  thread_local std::vector<double> memory;
  if (static_cast<std::int64_t>(memory.size()) < doubles) memory.resize(static_cast<std::size_t>(doubles));
  return memory.data();
}

// mean and scale = 1 / length of the centred map; 0 where the map is constant, which constant[c] then counts.
template <class T>
void describe(const T* maps, std::int64_t positions, std::int64_t channels, std::int64_t leading,
              ImageScratch& scratch, double* constant) {
  double* mean = scratch.mean;
  double* scale = scratch.scale;
  double* low = scratch.low;
  double* high = scratch.high;
  for (std::int64_t c = 0; c < channels; ++c) {
    low[c] = high[c] = static_cast<double>(maps[c]);
    mean[c] = scale[c] = 0;
  }
  for (std::int64_t t = 0; t < positions; ++t) {
    const T* row = maps + t * leading;
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto value = static_cast<double>(row[c]);
      mean[c] += value;
      low[c] = value < low[c] ? value : low[c];
      high[c] = value > high[c] ? value : high[c];
    }
  }
  for (std::int64_t c = 0; c < channels; ++c) mean[c] /= static_cast<double>(positions);
  for (std::int64_t t = 0; t < positions; ++t) {
    const T* row = maps + t * leading;
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const double deviation = static_cast<double>(row[c]) - mean[c];
      scale[c] += deviation * deviation;
    }
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const bool is_constant = (low[c] == high[c] && !std::isnan(scale[c])) || scale[c] == 0;
    constant[c] = is_constant ? 1.0 : 0.0;
    scale[c] = is_constant ? 0.0 : 1.0 / std::sqrt(scale[c]);
  }
}

// sum over k != f of rho(f, k) = z_f . s - 1, with s = sum over k of z_k: linear in the number of channels.
template <class T>
void signed_sums(const T* maps, std::int64_t positions, std::int64_t channels, std::int64_t leading,
                 ImageScratch& scratch, const double* constant, double* result) {
  const double* mean = scratch.mean;
  const double* scale = scratch.scale;
  double* dot = scratch.row_sum;
  std::fill_n(dot, channels, 0.0);
  for (std::int64_t t = 0; t < positions; ++t) {
    const T* row = maps + t * leading;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t c = 0; c < channels; ++c) sum += (static_cast<double>(row[c]) - mean[c]) * scale[c];
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) dot[c] += (static_cast<double>(row[c]) - mean[c]) * sum;
  }
  for (std::int64_t c = 0; c < channels; ++c) result[c] = constant[c] > 0 ? 0.0 : dot[c] * scale[c] - 1.0;
}

// One tile of the correlation matrix, reduced into the row sums of both of its sides. A tile on the diagonal
// holds each pair twice, once for either side.
void pair_tile(CorrelationKind kind, const ImageScratch& scratch, std::int64_t positions, std::int64_t first,
               std::int64_t second, bool both_sides, double* sums) {
  double rho[kRowTile][kColumnTile] = {};
  const double* z = scratch.standardized;
  for (std::int64_t t = 0; t < positions; ++t, z += scratch.width) {
    for (std::int64_t i = 0; i < kRowTile; ++i) {
#pragma omp simd
      for (std::int64_t j = 0; j < kColumnTile; ++j) rho[i][j] += z[first + i] * z[second + j];
    }
  }
  for (std::int64_t i = 0; i < kRowTile; ++i) {
    for (std::int64_t j = 0; j < kColumnTile; ++j) {
      if (first + i == second + j) continue;
      const double value =
          kind == CorrelationKind::absolute_mean ? std::abs(rho[i][j]) : rho[i][j] * rho[i][j];
      sums[first + i] += value;
      if (both_sides) sums[second + j] += value;
    }
  }
}

template <class T>
void pair_sums(CorrelationKind kind, const T* maps, std::int64_t positions, std::int64_t channels,
               std::int64_t leading, ImageScratch& scratch, double* result) {
  for (std::int64_t t = 0; t < positions; ++t) {
    const T* row = maps + t * leading;
    double* z = scratch.standardized + t * scratch.width;
    for (std::int64_t c = 0; c < channels; ++c) {
      z[c] = (static_cast<double>(row[c]) - scratch.mean[c]) * scratch.scale[c];
    }
    std::fill(z + channels, z + scratch.width, 0.0);
  }
  std::fill_n(scratch.row_sum, scratch.width, 0.0);
  double* sums = scratch.row_sum;
  for (std::int64_t second = 0; second < scratch.width; second += kColumnTile) {
    for (std::int64_t first = 0; first < second + kColumnTile; first += kRowTile) {
      pair_tile(kind, scratch, positions, first, second, first < second, sums);
    }
  }
  std::copy_n(sums, channels, result);
}

template <class T>
void accumulate(CorrelationKind kind, const Tensor& maps, std::int64_t images, const RedundancySums& sums) {
  const std::int64_t positions = maps.shape[1] * maps.shape[2];
  const std::int64_t channels = maps.channels();
  const auto* data = maps.as<T>();
  const bool pairs = kind != CorrelationKind::signed_mean;
  // For every image the redundancy of its channels, then which of them are constant; then each thread's own.
  const std::int64_t own = ImageScratch::doubles(channels, positions, pairs);
  double* contributions = kept_memory(images * 2 * channels + omp_get_max_threads() * own);
  double* scratches = contributions + images * 2 * channels;
#pragma omp parallel
  {
    ImageScratch scratch(channels, scratches + omp_get_thread_num() * own);
#pragma omp for schedule(static)
    for (std::int64_t n = 0; n < images; ++n) {
      const T* image = data + n * positions * maps.leading;
      double* redundancy = contributions + n * 2 * channels;
      double* constant = redundancy + channels;
      describe(image, positions, channels, maps.leading, scratch, constant);
      if (pairs) {
        pair_sums(kind, image, positions, channels, maps.leading, scratch, redundancy);
      } else {
        signed_sums(image, positions, channels, maps.leading, scratch, constant, redundancy);
      }
    }
  }
  for (std::int64_t n = 0; n < images; ++n) {
    const double* redundancy = contributions + n * 2 * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      sums.redundancy_sum[c] += redundancy[c];
      sums.constant_images[c] += redundancy[channels + c];
    }
  }
}

}  // namespace

void CpuPrimitives::accumulate_redundancy(Stream& /*stream*/, CorrelationKind kind, const Tensor& maps,
                                          std::int64_t images, const RedundancySums& sums) {
  require(maps.shape.rank() == 4, "feature maps are [N, H, W, C], got {}", maps.shape.to_string());
  require(images >= 0 && images <= maps.shape[0], "{} images were asked for, the maps hold {}", images,
          maps.shape[0]);
  if (images == 0 || maps.count() == 0) return;
  with_stored(maps.dtype, "the redundancy of maps",
              [&](auto zero) { accumulate<decltype(zero)>(kind, maps, images, sums); });
}

}  // namespace secateur::cpu
