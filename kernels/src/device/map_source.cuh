// Where the values of one image's map come from, so that the same code runs over global memory and over a
// copy in shared memory: load(row, channel, valid, values) gives a pack of channels of one position, zeros
// past the last channel.
#pragma once

#include "memory.cuh"
#include "moments.cuh"
#include "reduce.cuh"

namespace secateur::kernels {

template <typename T, int kWidth>
struct GlobalMap {
  const T* data;
  std::int64_t ld;
  __device__ __forceinline__ void load(std::int64_t row, std::int64_t channel, std::int64_t valid,
                                       float (&values)[kWidth]) const {
    load_pack<T, kWidth>(data + row * ld + channel, valid, values);
  }
};

// Rows stand a multiple of kWidth apart, lanes past the last channel hold zeros.
template <typename T, int kWidth>
struct SharedMap {
  DynamicShared<T> data;
  std::int64_t ld;
  __device__ __forceinline__ void load(std::int64_t row, std::int64_t channel, std::int64_t /*valid*/,
                                       float (&values)[kWidth]) const {
    if constexpr (kWidth == 1) {
      const T value = data[row * ld + channel];
      values[0] = to_float(value);
    } else {
      const uint4 raw = data.load16(row * ld + channel);
      T lanes[kWidth];
      memcpy(lanes, &raw, sizeof(raw));
#pragma unroll
      for (int i = 0; i < kWidth; ++i) values[i] = to_float(lanes[i]);
    }
  }
};

struct MapStatistics {
  Moments moments;
  float smallest;
  float largest;
};

struct MergeStatistics {
  __device__ __forceinline__ MapStatistics operator()(const MapStatistics& a, const MapStatistics& b) const {
    return {merge(a.moments, b.moments), fminf(a.smallest, b.smallest), fmaxf(a.largest, b.largest)};
  }
};

// Statistics of one pack of channels over all rows of a map, by a block of kTileThreads threads of which
// `lanes` stand side by side over packs. The result is valid in the threads of the first row (thread index
// below `lanes`). Moments are those of the values minus `origin`, a value of each channel, so that a mean far
// from zero costs the deviations no digits. Minimum and maximum (kExtremes) ignore NaN; the moments do not.
template <int kWidth, bool kExtremes = true, typename Map>
__device__ __forceinline__ void map_statistics(const Map& map, std::int64_t rows, std::int64_t channel,
                                               std::int64_t valid, int lanes, const float (&origin)[kWidth],
                                               MapStatistics (&result)[kWidth]) {
  constexpr int kGroup = 4;  // loads in flight, and values taken around one mean
  const int rows_at_once = kTileThreads / lanes;
  const int first_row = thread_index() / lanes;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) result[i] = {{}, INFINITY, -INFINITY};
  for (std::int64_t row = first_row; valid > 0 && row < rows; row += kGroup * rows_at_once) {
    float values[kGroup][kWidth];
    const int present = static_cast<int>(least<std::int64_t>(kGroup, ceil_div(rows - row, rows_at_once)));
#pragma unroll
    for (int g = 0; g < kGroup; ++g) {
      // Past the end the last row again: it counts in no sum and changes no extreme.
      map.load(least(row + g * rows_at_once, rows - 1), channel, valid, values[g]);
    }
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      float column[kGroup];
#pragma unroll
      for (int g = 0; g < kGroup; ++g) {
        column[g] = values[g][i] - origin[i];
        if constexpr (kExtremes) {
          result[i].smallest = fminf(result[i].smallest, values[g][i]);
          result[i].largest = fmaxf(result[i].largest, values[g][i]);
        }
      }
      result[i].moments = merge(result[i].moments, moments_of(column, present));
    }
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    result[i] = column_reduce<kTileThreads>(result[i], lanes, MergeStatistics{});
  }
}

// The same, relative to the first row, with the mean put back in place.
template <int kWidth, typename Map>
__device__ __forceinline__ void map_statistics(const Map& map, std::int64_t rows, std::int64_t channel,
                                               std::int64_t valid, int lanes,
                                               MapStatistics (&result)[kWidth]) {
  float origin[kWidth] = {};
  if (valid > 0 && rows > 0) map.load(0, channel, valid, origin);
  map_statistics<kWidth>(map, rows, channel, valid, lanes, origin, result);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) result[i].moments.mean += origin[i];
}

// 1 / length of the centred map. Zero where the map is constant: all values equal, or a spread so small that
// its squares leave the normal range of fp32. NaN where a value, or the sum of squares, is not finite.
__device__ __forceinline__ float inverse_length(const MapStatistics& statistics) {
  const float squares = statistics.moments.centred_squares;
  if (!is_finite(squares)) return not_a_number();
  constexpr float kSmallestNormal = 1.17549435e-38F;
  if (statistics.smallest == statistics.largest || squares < kSmallestNormal) return 0.0F;
  return 1.0F / sqrtf(squares);
}

}  // namespace secateur::kernels
