// The inner loops of Winograd's convolution, for one thread each, compiled once for every width of vectors.
//
// Winograd's minimal filtering F(4x4, 3x3), Lavin and Gray (2015): 4x4 outputs of a 3x3 filter take 36
// products in place of 144,
//   y = At [ (G g Gt) . (Bt d B) ] A,   d the 6x6 patch of the input behind the outputs,
// where the dot is a product for each of the 36 points, summed over the channels: 36 matrix products of tiles
// with filters. A filter's gradient is the same with every matrix transposed:
//   dg = Gt [ sum over tiles of (Bt d B) . (A dy At) ] G.
// The points are 0, -a, a, -b, b and infinity with a = 5/8 and b = 3/2: all constants are exact in float, and
// rounding errors are half of those with the usual 1 and 2 (found by trying; about twice a direct sum's).
//
// Values of a point lie in a matrix, [tiles, lanes]; `point_stride` floats from one point's matrix to the
// next.
#pragma once

#include <cstdint>

namespace secateur::cpu {

inline constexpr std::int64_t kWinogradTile = 4;
inline constexpr std::int64_t kWinogradPatch = 6;
inline constexpr std::int64_t kWinogradPoints = 36;
inline constexpr std::int64_t kWinogradPanel = 16;  // columns of a matrix product that lie together

// Constants of the transforms.
struct WinogradPoints {
  static constexpr float a = 0.625F;
  static constexpr float b = 1.5F;
  static constexpr float a2 = a * a;
  static constexpr float b2 = b * b;
  static constexpr float a3 = a2 * a;
  static constexpr float b3 = b2 * b;
};

// A patch of a map: `rows` are the map's rows behind it (a row of zeros where there is none), at the map's
// column 0; the patch begins at `first_column` of them, and its columns [begin, end) lie inside.
struct WinogradPatch {
  const float* rows[kWinogradPatch];
  std::int64_t first_column, begin, end;
  std::int64_t leading;  // floats from a pixel to the next
};

// A tile of a map that is read or written; it may have fewer than 4 rows or columns inside.
template <class Float>
struct WinogradTile {
  Float* data;  // its first pixel
  std::int64_t row_stride, leading;
  std::int64_t rows, columns;
};

// What is done to outputs before they are stored: y = relu(y + bias + residual); null where there is none.
struct WinogradEpilogue {
  const float* bias = nullptr;  // a value a lane
  const float* residual = nullptr;
  std::int64_t residual_row_stride = 0, residual_leading = 0;
  bool relu = false;  // a NaN passes
};

// c[row, column] = (add ? c : 0) + sum over depth of a * b
struct WinogradProduct {
  std::int64_t rows, columns, depth;
  const float* a;
  std::int64_t a_row, a_depth;  // strides
  const float* b;
  std::int64_t b_panel, b_depth;  // to the next 16 columns, to the next depth
  float* c;
  std::int64_t c_row;  // holds whole panels
  bool add;
};

// `lanes` is a multiple of 8 throughout.
struct WinogradKernels {
  const char* name;
  // points = Bt d B
  void (*patch_to_points)(const WinogradPatch& patch, std::int64_t lanes, float* points,
                          std::int64_t point_stride);
  // y = epilogue(At points A)
  void (*points_to_tile)(const float* points, std::int64_t point_stride, std::int64_t lanes,
                         const WinogradEpilogue& epilogue, const WinogradTile<float>& tile);
  // points = A dy At; what lies outside the map counts as zero
  void (*tile_to_points)(const WinogradTile<const float>& tile, std::int64_t lanes, float* points,
                         std::int64_t point_stride);
  void (*multiply)(const WinogradProduct& product);
};

// Those of the widest vectors that this processor has.
[[nodiscard]] const WinogradKernels& winograd_kernels();

// Those of one width; null where the build or the processor has none of it.
[[nodiscard]] const WinogradKernels* winograd_kernels_baseline();
[[nodiscard]] const WinogradKernels* winograd_kernels_avx512();

}  // namespace secateur::cpu
