// Mean and inverse length of every map: what turns a map into a standardised one (zero mean, unit length).
#pragma once

#include "map_source.cuh"
#include "secateur/kernels/channel_moments.h"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {

// Moves one pack from global to shared memory as it is, with zeros past `valid`.
template <typename T, int kWidth>
__device__ __forceinline__ void copy_pack(const DynamicShared<T>& target, std::int64_t index, const T* source,
                                          std::int64_t valid) {
  if constexpr (kWidth == 1) {
    target[index] = source[0];
  } else {
    float values[kWidth];
    load_pack<T, kWidth>(source, valid, values);
    T lanes[kWidth];
#pragma unroll
    for (int i = 0; i < kWidth; ++i) lanes[i] = from_float<T>(values[i]);
    uint4 raw;
    memcpy(&raw, lanes, sizeof(raw));
    target.store16(index, raw);
  }
}

// For one pack of channels, by the whole block.
template <int kWidth, typename Map>
__device__ __forceinline__ void standardise(const Map& map, std::int64_t positions, std::int64_t channel,
                                            std::int64_t valid, int lanes, float* mean, float* inverse) {
  MapStatistics statistics[kWidth];
  map_statistics<kWidth>(map, positions, channel, valid, lanes, statistics);
  if (thread_index() >= lanes) return;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (i >= valid) continue;
    mean[channel + i] = statistics[i].moments.mean;
    inverse[channel + i] = inverse_length(statistics[i]);
  }
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    standardise_kernel(float* mean, float* inverse, const T* maps, std::int64_t positions,
                       std::int64_t channels, std::int64_t ld, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const std::int64_t image = block_index() / tiling.column_blocks;
  const std::int64_t column_block = block_index() % tiling.column_blocks;
  const std::int64_t channel = (column_block * tiling.lanes + thread_index() % tiling.lanes) * kWidth;
  const GlobalMap<T, kWidth> map{maps + image * positions * ld, ld};
  standardise<kWidth>(map, positions, channel, channels - channel, tiling.lanes, mean + image * channels,
                      inverse + image * channels);
}

template <typename T, bool kAligned>
[[nodiscard]] Status launch_standardise(float* mean, float* inverse, const T* maps, const MapShape& shape,
                                        StreamHandle stream) {
  const RowTiling tiling = tile_rows(shape.positions, shape.channels, kPackWidth<T, kAligned>, 1, 1);
  return launch("standardise", &standardise_kernel<T, kAligned>, {shape.images * tiling.column_blocks, 1, 1},
                kTileThreads, 0, stream, mean, inverse, maps, shape.positions, shape.channels, shape.ld,
                tiling);
}

}  // namespace secateur::kernels
