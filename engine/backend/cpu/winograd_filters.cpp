// G g Gt of filters, and its transpose for their gradients. Eight channels at a time.
#include <algorithm>

#include "backend/cpu/vectors.h"
#include "backend/cpu/winograd.h"
#include "backend/cpu/winograd_tiles.h"
#include "backend/cpu/winograd_weight_gradient.h"

namespace secateur::cpu {
namespace {

constexpr int kLanes = 8;
constexpr int kPanel = static_cast<int>(kWinogradPanel);
constexpr std::int64_t kTaps = 9;
using V = Floats<kLanes>;
using Points = WinogradPoints;

// 1 / product of the differences to the other points.
constexpr float kAtZero = 1 / (Points::a2 * Points::b2);
constexpr float kAtA = 1 / (2 * Points::a2 * (Points::a2 - Points::b2));
constexpr float kAtB = 1 / (2 * Points::b2 * (Points::b2 - Points::a2));

// out = G g
void filter_transform(const V (&g)[3], V (&out)[6]) {
  out[0] = g[0] * kAtZero;
  const V even_a = (g[0] + g[2] * Points::a2) * kAtA;
  const V odd_a = g[1] * (Points::a * kAtA);
  out[1] = even_a - odd_a;
  out[2] = even_a + odd_a;
  const V even_b = (g[0] + g[2] * Points::b2) * kAtB;
  const V odd_b = g[1] * (Points::b * kAtB);
  out[3] = even_b - odd_b;
  out[4] = even_b + odd_b;
  out[5] = g[2];
}

// out = Gt u
void filter_gradient(const V (&u)[6], V (&out)[3]) {
  const V even_a = (u[2] + u[1]) * kAtA;
  const V even_b = (u[4] + u[3]) * kAtB;
  out[0] = u[0] * kAtZero + (even_a + even_b);
  out[1] = (u[2] - u[1]) * (Points::a * kAtA) + (u[4] - u[3]) * (Points::b * kAtB);
  out[2] = even_a * Points::a2 + (even_b * Points::b2 + u[5]);
}

// The first `count` lanes from memory, zeros behind them.
V load_some(const float* from, std::int64_t count) {
  if (count >= kLanes) return load<kLanes>(from);
  float lanes[kLanes] = {};
  std::copy_n(from, count, lanes);
  return load<kLanes>(lanes);
}

// Channels [channel, channel + 8) of one filter [3, 3, channels] at the 36 points; `turned` by 180 degrees.
void points_of(const float* filter, std::int64_t channels, std::int64_t channel, bool turned, V (&out)[36]) {
  V half[3][6];  // [column, point]
  for (int x = 0; x < 3; ++x) {
    V column[3];
    for (int y = 0; y < 3; ++y) {
      const std::int64_t tap = turned ? (2 - y) * 3 + 2 - x : y * 3 + x;
      column[y] = load_some(filter + tap * channels + channel, channels - channel);
    }
    filter_transform(column, half[x]);
  }
  for (int y = 0; y < 6; ++y) {
    const V row[3] = {half[0][y], half[1][y], half[2][y]};
    V transformed[6];
    filter_transform(row, transformed);
    std::copy_n(transformed, 6, out + y * 6);
  }
}

// rows[i][j] = rows[j][i]
void transpose(V (&rows)[kLanes]) {
  V pairs[kLanes];
  for (int i = 0; i < kLanes; i += 2) {
    pairs[i] = __builtin_shufflevector(rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = __builtin_shufflevector(rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  V fours[kLanes];
  for (int half = 0; half < kLanes; half += 4) {
    for (int i = 0; i < 2; ++i) {
      fours[half + 2 * i] =
          __builtin_shufflevector(pairs[half + i], pairs[half + i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[half + 2 * i + 1] =
          __builtin_shufflevector(pairs[half + i], pairs[half + i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = __builtin_shufflevector(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    rows[i + 4] = __builtin_shufflevector(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

}  // namespace

WinogradFilters::WinogradFilters(std::int64_t filters, std::int64_t channels, WinogradUse use)
    : use_(use),
      filters_(filters),
      channels_(channels),
      depth_(use == WinogradUse::forward ? channels : filters),
      columns_(use == WinogradUse::forward ? filters : channels) {}

std::int64_t WinogradFilters::bytes() const {
  return kWinogradPoints * winograd_point_stride(depth_, panels() * kWinogradPanel) * size_of(DType::f32);
}

void WinogradFilters::transform(const float* stored, float* points) const {
  use_ == WinogradUse::forward ? transform_own(stored, points) : transform_turned(stored, points);
}

// A filter's channels lie side by side, and a panel wants its filters so: 8 x 8 blocks are transposed.
void WinogradFilters::transform_own(const float* stored, float* points) const {
  const std::int64_t row = kTaps * channels_;
  const std::int64_t point_stride = winograd_point_stride(depth_, panels() * kPanel);
  const std::int64_t blocks = (channels_ + kLanes - 1) / kLanes;
#pragma omp parallel for schedule(static) collapse(2) if (filters_ * channels_ > 1024)
  for (std::int64_t panel = 0; panel < panels(); ++panel) {
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t channel = block * kLanes;
      const std::int64_t count = std::min<std::int64_t>(kLanes, channels_ - channel);
      V lanes[36][kPanel];
      for (int k = 0; k < kPanel; ++k) {
        V of_filter[36] = {};
        const std::int64_t filter = panel * kPanel + k;
        if (filter < filters_) points_of(stored + filter * row, channels_, channel, false, of_filter);
        for (int p = 0; p < kWinogradPoints; ++p) lanes[p][k] = of_filter[p];
      }
      for (std::int64_t p = 0; p < kWinogradPoints; ++p) {
        float* to = points + p * point_stride + (panel * depth_ + channel) * kPanel;
        for (int half = 0; half < kPanel; half += kLanes) {
          V block_of_eight[kLanes];
          std::copy_n(lanes[p] + half, kLanes, block_of_eight);
          transpose(block_of_eight);
          for (std::int64_t c = 0; c < count; ++c) store(to + c * kPanel + half, block_of_eight[c]);
        }
      }
    }
  }
}

void WinogradFilters::transform_turned(const float* stored, float* points) const {
  const std::int64_t row = kTaps * channels_;
  const std::int64_t point_stride = winograd_point_stride(depth_, panels() * kPanel);
#pragma omp parallel for schedule(static) if (filters_ * channels_ > 1024)
  for (std::int64_t filter = 0; filter < filters_; ++filter) {
    for (std::int64_t channel = 0; channel < panels() * kPanel; channel += kLanes) {
      V of_filter[36] = {};
      if (channel < channels_) points_of(stored + filter * row, channels_, channel, true, of_filter);
      float* to = points + (channel / kPanel * depth_ + filter) * kPanel + channel % kPanel;
      for (const V& value : of_filter) {
        store(to, value);
        to += point_stride;
      }
    }
  }
}

void winograd_filters_from_points(const float* points, std::int64_t leading, std::int64_t filters,
                                  std::int64_t channels, float* stored) {
  const std::int64_t point_stride = winograd_point_stride(filters, leading);
#pragma omp parallel for schedule(static) if (filters * channels > 1024)
  for (std::int64_t filter = 0; filter < filters; ++filter) {
    for (std::int64_t channel = 0; channel < channels; channel += kLanes) {
      V half[3][6];  // [row, point]
      for (std::int64_t x = 0; x < 6; ++x) {
        V column[6];
        V taps[3];
        for (std::int64_t y = 0; y < 6; ++y) {
          column[y] = load<kLanes>(points + (y * 6 + x) * point_stride + filter * leading + channel);
        }
        filter_gradient(column, taps);
        for (int r = 0; r < 3; ++r) half[r][x] = taps[r];
      }
      const std::int64_t count = std::min<std::int64_t>(kLanes, channels - channel);
      for (std::int64_t r = 0; r < 3; ++r) {
        V taps[3];
        filter_gradient(half[r], taps);
        for (std::int64_t s = 0; s < 3; ++s) {
          const auto* values = reinterpret_cast<const float*>(&taps[s]);
          std::copy_n(values, count, stored + (filter * kTaps + r * 3 + s) * channels + channel);
        }
      }
    }
  }
}

}  // namespace secateur::cpu
