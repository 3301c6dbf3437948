// Global memory in packs of 16 bytes, and the shape of a grid that walks the rows of a map.
#pragma once

#include <cstring>

#include "numeric.cuh"

namespace secateur::kernels {

// Elements that one thread moves at once: 16 bytes, or one element where pointers or rows are not aligned for
// that.
template <typename T, bool kAligned>
inline constexpr int kPackWidth = kAligned ? static_cast<int>(16 / sizeof(T)) : 1;

[[nodiscard]] inline bool is_aligned16(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

// Whether every row of a map starts on a 16-byte boundary. A null pointer is no obstacle.
[[nodiscard]] inline bool rows_aligned(const void* pointer, std::int64_t ld, std::int64_t element_bytes) {
  return is_aligned16(pointer) && ld * element_bytes % 16 == 0;
}

template <typename T, int kWidth>
__device__ __forceinline__ void load_full_pack(const T* source, float (&values)[kWidth]) {
  if constexpr (kWidth == 1) {
    values[0] = to_float(source[0]);
  } else {
    static_assert(kWidth * sizeof(T) == 16);
#ifdef SECATEUR_SIMT
    simt::check_aligned(source, 16, std::source_location::current());
#endif
    const uint4 raw = *reinterpret_cast<const uint4*>(source);
    T lanes[kWidth];
    memcpy(lanes, &raw, sizeof(raw));
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] = to_float(lanes[i]);
  }
}

template <typename T, int kWidth>
__device__ __forceinline__ void store_full_pack(T* target, const float (&values)[kWidth]) {
  if constexpr (kWidth == 1) {
    target[0] = from_float<T>(values[0]);
  } else {
    static_assert(kWidth * sizeof(T) == 16);
#ifdef SECATEUR_SIMT
    simt::check_aligned(target, 16, std::source_location::current());
#endif
    T lanes[kWidth];
#pragma unroll
    for (int i = 0; i < kWidth; ++i) lanes[i] = from_float<T>(values[i]);
    uint4 raw;
    memcpy(&raw, lanes, sizeof(raw));
    *reinterpret_cast<uint4*>(target) = raw;
  }
}

// The first `valid` elements of a pack; the others become `missing` and are not touched in memory.
template <typename T, int kWidth>
__device__ __forceinline__ void load_pack(const T* source, std::int64_t valid, float (&values)[kWidth],
                                          float missing = 0.0F) {
  if (valid >= kWidth) {
    load_full_pack<T, kWidth>(source, values);
    return;
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = i < valid ? to_float(source[i]) : missing;
}

template <typename T, int kWidth>
__device__ __forceinline__ void store_pack(T* target, std::int64_t valid, const float (&values)[kWidth]) {
  if (valid >= kWidth) {
    store_full_pack<T, kWidth>(target, values);
    return;
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (i < valid) target[i] = from_float<T>(values[i]);
  }
}

// The first `valid` of kWidth floats, zeros after them. Plain loads: the address is aligned to a float only.
template <int kWidth>
__device__ __forceinline__ void load_floats(const float* source, std::int64_t valid,
                                            float (&values)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = i < valid ? source[i] : 0.0F;
}

// How a grid covers a map: a thread keeps one pack of channels and walks rows, so that neighbouring threads
// read neighbouring packs, and what belongs to a channel is fetched once. Blocks are numbered row block
// first.
struct RowTiling {
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  std::int64_t column_blocks = 0;
  std::int64_t row_blocks = 0;
  int lanes = 1;         // threads side by side over packs, a power of two
  int rows_at_once = 1;  // rows that a block has in hand at once
};

constexpr int kTileThreads = 256;

// At most `max_row_blocks` blocks share the rows; each takes at least `rows_a_thread` rows a thread where
// there are so many.
[[nodiscard]] inline RowTiling tile_rows(std::int64_t rows, std::int64_t channels, int pack_width,
                                         std::int64_t rows_a_thread, std::int64_t max_row_blocks) {
  RowTiling tiling;
  tiling.rows = rows;
  tiling.channels = channels;
  const std::int64_t packs = ceil_div(channels, pack_width);
  while (tiling.lanes < kTileThreads && tiling.lanes < packs) tiling.lanes *= 2;
  tiling.rows_at_once = kTileThreads / tiling.lanes;
  tiling.column_blocks = ceil_div(packs, tiling.lanes);
  tiling.row_blocks =
      least(max_row_blocks, greatest<std::int64_t>(ceil_div(rows, tiling.rows_at_once * rows_a_thread), 1));
  if (rows == 0) tiling.row_blocks = 0;
  return tiling;
}

// The running thread's part of a RowTiling.
struct RowPosition {
  std::int64_t channel;  // first of the thread's pack; may lie past the last channel
  std::int64_t first_row;
  std::int64_t row_stride;
  std::int64_t row_block;
  int lane;
  int row_in_block;
};

template <int kWidth>
__device__ __forceinline__ RowPosition row_position(const RowTiling& tiling) {
  RowPosition position;
  const std::int64_t block = block_index();
  const std::int64_t column_block = block % tiling.column_blocks;
  position.row_block = block / tiling.column_blocks;
  position.lane = thread_index() & (tiling.lanes - 1);
  position.row_in_block = thread_index() / tiling.lanes;
  position.channel = (column_block * tiling.lanes + position.lane) * kWidth;
  position.first_row = position.row_block * tiling.rows_at_once + position.row_in_block;
  position.row_stride = tiling.row_blocks * tiling.rows_at_once;
  return position;
}

}  // namespace secateur::kernels
