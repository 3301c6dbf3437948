// What the forward and the backward pass of batch normalisation share.
#pragma once

#include <initializer_list>

#include "checks.h"
#include "map_source.cuh"
#include "secateur/kernels/batch_norm_act.h"

namespace secateur::kernels {

constexpr std::int64_t kMaxRowBlocks = 512;
constexpr std::int64_t kRowsAThread = 16;
constexpr int kFinishLanes = 8;  // channels of a block that merges partial results
constexpr int kFinishThreads = 256;

struct Channels {
  const float* scale;
  const float* shift;
  const float* mean;
  const float* inverse_deviation;
};

// What turns x into z for one channel. One function for both passes, so that the backward pass finds the same
// sign.
struct Affine {
  float mean;
  float factor;
  float shift;
  __device__ __forceinline__ float operator()(float x) const { return fmaf(x - mean, factor, shift); }
};

template <int kWidth>
__device__ __forceinline__ void load_affine(const Channels& channels, std::int64_t channel,
                                            std::int64_t valid, Affine (&affine)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    affine[i] = {0.0F, 0.0F, 0.0F};
    if (i >= valid) continue;
    const float scale = channels.scale != nullptr ? channels.scale[channel + i] : 1.0F;
    affine[i].mean = channels.mean[channel + i];
    affine[i].factor = channels.inverse_deviation[channel + i] * scale;
    affine[i].shift = channels.shift != nullptr ? channels.shift[channel + i] : 0.0F;
  }
}

// Row blocks for sums do not depend on alignment, so that the workspace fits either way.
inline std::int64_t row_blocks_of(const BatchNormShape& shape) {
  return tile_rows(shape.rows, shape.channels, 1, kRowsAThread, kMaxRowBlocks).row_blocks;
}

inline RowTiling sum_tiling(const BatchNormShape& shape, int width) {
  RowTiling tiling = tile_rows(shape.rows, shape.channels, width, kRowsAThread, kMaxRowBlocks);
  tiling.row_blocks = least(tiling.row_blocks, row_blocks_of(shape));
  return tiling;
}

// Covers the zeroed lanes too, but counts only the real channels as channels.
inline RowTiling map_tiling(const BatchNormShape& shape, std::int64_t written, int width) {
  constexpr std::int64_t kNoLimit = std::int64_t{1} << 24;
  RowTiling tiling = tile_rows(shape.rows, written, width, 4, kNoLimit);
  tiling.channels = shape.channels;
  return tiling;
}

inline std::int64_t written_channels(const BatchNormShape& shape) {
  return greatest(shape.channels, shape.zeroed_channels);
}

inline bool check_batch_norm_shape(Check& check, const BatchNormShape& shape) {
  check.type(shape.type).size("rows", shape.rows).size("channels", shape.channels);
  check.size("zeroed_channels", shape.zeroed_channels).product("map", shape.rows, shape.ld);
  check.that(shape.ld >= written_channels(shape), "leading dimension " + std::to_string(shape.ld) +
                                                      " is less than " +
                                                      std::to_string(written_channels(shape)) + " channels");
  return !check.failed() && shape.rows > 0 && shape.channels > 0;
}

inline void check_batch_norm_workspace(Check& check, const BatchNormShape& shape, const void* workspace,
                                       std::int64_t bytes) {
  const std::int64_t needed = batch_norm_workspace(shape);
  check.pointer("workspace", workspace).aligned("workspace", workspace, sizeof(float));
  check.that(bytes >= needed,
             "workspace has " + std::to_string(bytes) + " bytes, needs " + std::to_string(needed));
}

// Calls function.operator()<T, kAligned>() for the type and for whether all of the maps allow packs.
template <typename Function>
Status with_layout(const BatchNormShape& shape, std::initializer_list<const void*> maps,
                   Function&& function) {
  bool aligned = true;
  for (const void* map : maps) aligned = aligned && rows_aligned(map, shape.ld, size_of(shape.type));
  return with_type(shape.type, [&]<typename T>() -> Status {
    return aligned ? function.template operator()<T, true>() : function.template operator()<T, false>();
  });
}

}  // namespace secateur::kernels
