// How points lie in memory, and which part of a map lies behind a tile: for the files of Winograd's
// filtering.
#pragma once

#include <algorithm>
#include <type_traits>

#include "backend/cpu/vectors.h"
#include "backend/cpu/winograd.h"

namespace secateur::cpu {

// Floats from one point's matrix to the next. Not a multiple of 4 KiB, which would bring the 36 lines that a
// transform writes at a time into one set of the first-level cache.
[[nodiscard]] constexpr std::int64_t winograd_point_stride(std::int64_t rows, std::int64_t lanes) {
  return rows * lanes + kWinogradPanel;
}

[[nodiscard]] constexpr std::int64_t whole_panels(std::int64_t columns) {
  return (columns + kWinogradPanel - 1) / kWinogradPanel * kWinogradPanel;
}

// The place of tile `index` in [images, tile rows, tile columns].
struct WinogradPlace {
  std::int64_t image, y, x;  // first output row and column

  WinogradPlace(const WinogradProblem& problem, std::int64_t index)
      : image(index / (problem.tile_rows() * problem.tile_columns())),
        y(index / problem.tile_columns() % problem.tile_rows() * kWinogradTile),
        x(index % problem.tile_columns() * kWinogradTile) {}

  // To the next tile.
  void advance(const WinogradProblem& problem) {
    x += kWinogradTile;
    if (x < problem.output[1]) return;
    x = 0;
    y += kWinogradTile;
    if (y < problem.output[0]) return;
    y = 0;
    ++image;
  }
};

// The patch of `input` behind a tile; `zeros` stands for the rows outside: the row's columns, all lanes.
[[nodiscard]] inline WinogradPatch winograd_patch(const WinogradProblem& problem, const WinogradPlace& place,
                                                  const Tensor& input, const float* zeros) {
  WinogradPatch patch{};
  patch.leading = input.leading;
  patch.first_column = place.x - problem.padding[1];
  patch.begin = std::max<std::int64_t>(0, -patch.first_column);
  patch.end = std::min(kWinogradPatch, problem.input[1] - patch.first_column);
  const std::int64_t first_row = place.y - problem.padding[0];
  const auto* image = static_cast<const float*>(input.data) +
                      place.image * problem.input[0] * problem.input[1] * input.leading;
  for (std::int64_t r = 0; r < kWinogradPatch; ++r) {
    const std::int64_t row = first_row + r;
    const bool inside = row >= 0 && row < problem.input[0];
    patch.rows[r] = inside ? image + row * problem.input[1] * input.leading : zeros;
  }
  return patch;
}

template <class Float>
[[nodiscard]] WinogradTile<Float> winograd_tile(const WinogradProblem& problem, const WinogradPlace& place,
                                                const Tensor& output) {
  const std::int64_t row_stride = problem.output[1] * output.leading;
  return {static_cast<Float*>(output.data) + (place.image * problem.output[0] + place.y) * row_stride +
              place.x * output.leading,
          row_stride, output.leading, std::min(kWinogradTile, problem.output[0] - place.y),
          std::min(kWinogradTile, problem.output[1] - place.x)};
}

// Tiles jump about in memory as no hardware foresees, and a store to a line that no cache has holds up those
// behind it: a tile's lines are asked for ahead of their use.
inline constexpr std::int64_t kCacheLineFloats = 16;

template <class Float>
void prefetch(const WinogradTile<Float>& tile) {
  for (std::int64_t y = 0; y < tile.rows; ++y) {
    Float* row = tile.data + y * tile.row_stride;
    for (std::int64_t i = 0; i < tile.columns * tile.leading; i += kCacheLineFloats) {
      if constexpr (std::is_const_v<Float>) {
        __builtin_prefetch(row + i);
      } else {
        prefetch_to_write(row + i);
      }
    }
  }
}

// Of a patch what its neighbours above and to the left have not brought.
inline void prefetch(const WinogradPatch& patch) {
  constexpr std::int64_t kShared = kWinogradPatch - kWinogradTile;
  const std::int64_t first = std::max(kShared, patch.begin);
  for (std::int64_t r = kShared; r < kWinogradPatch; ++r) {
    const float* row = patch.rows[r] + (patch.first_column + first) * patch.leading;
    for (std::int64_t i = 0; i < (patch.end - first) * patch.leading; i += kCacheLineFloats) {
      __builtin_prefetch(row + i);
    }
  }
}

}  // namespace secateur::cpu
