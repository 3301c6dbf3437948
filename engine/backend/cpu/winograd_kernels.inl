// Included by one source file for each width of vectors, which is compiled for processors that have them.
// Nothing in here may be an inline function with external linkage (of the standard library, say): the linker
// keeps one copy of such a function for the whole program, and it might be this one.
#include "backend/cpu/vectors.h"
#include "backend/cpu/winograd_kernels.h"

namespace secateur::cpu {
namespace {

#ifdef __AVX512F__
constexpr int kLanes = 16;
constexpr int kMostRows = 12;  // of a tile of a product: 24 sums, 2 vectors of b, a broadcast in 32 registers
#else
constexpr int kLanes = 8;
constexpr int kMostRows = 6;  // 12 sums, 2 vectors of b, a broadcast in 16 registers
#endif
constexpr int kHalfLanes = 8;  // what lanes are a multiple of
constexpr int kMostVectors = 2;
constexpr std::int64_t kMostDepth = 256;  // of a block: its panel of b stays in the first-level cache

using Points = WinogradPoints;

// Calls work.run<lanes>(lane) for whole vectors, and a half one for what is left.
template <class Work>
inline void for_lanes(std::int64_t lanes, const Work& work) {
  std::int64_t lane = 0;
  for (; lane + kLanes <= lanes; lane += kLanes) work.template run<kLanes>(lane);
  if (lane < lanes) work.template run<kHalfLanes>(lane);
}

// out = Bt d
template <class V>
inline void patch_transform(const V (&d)[6], V (&out)[6]) {
  constexpr float kSum = Points::a2 + Points::b2;
  constexpr float kProduct = Points::a2 * Points::b2;
  out[0] = d[0] * kProduct + (d[4] - d[2] * kSum);
  const V even_a = d[4] - d[2] * Points::b2;
  const V odd_a = d[3] - d[1] * Points::b2;
  out[1] = even_a - odd_a * Points::a;
  out[2] = even_a + odd_a * Points::a;
  const V even_b = d[4] - d[2] * Points::a2;
  const V odd_b = d[3] - d[1] * Points::a2;
  out[3] = even_b - odd_b * Points::b;
  out[4] = even_b + odd_b * Points::b;
  out[5] = d[1] * kProduct + (d[5] - d[3] * kSum);
}

// out = At m
template <class V>
inline void output_transform(const V (&m)[6], V (&out)[4]) {
  const V even_a = m[2] + m[1];
  const V odd_a = m[2] - m[1];
  const V even_b = m[4] + m[3];
  const V odd_b = m[4] - m[3];
  out[0] = m[0] + (even_a + even_b);
  out[1] = odd_a * Points::a + odd_b * Points::b;
  out[2] = even_a * Points::a2 + even_b * Points::b2;
  out[3] = odd_a * Points::a3 + (odd_b * Points::b3 + m[5]);
}

// out = A y
template <class V>
inline void gradient_transform(const V (&y)[4], V (&out)[6]) {
  out[0] = y[0];
  const V even_a = y[0] + y[2] * Points::a2;
  const V odd_a = y[1] * Points::a + y[3] * Points::a3;
  out[1] = even_a - odd_a;
  out[2] = even_a + odd_a;
  const V even_b = y[0] + y[2] * Points::b2;
  const V odd_b = y[1] * Points::b + y[3] * Points::b3;
  out[3] = even_b - odd_b;
  out[4] = even_b + odd_b;
  out[5] = y[3];
}

// Stores M half for a transform M along the second axis of `half`.
template <class V>
inline void store_points(const V (&half)[6][6], float* to, std::int64_t point_stride) {
#pragma GCC unroll 1
  for (int y = 0; y < 6; ++y) {
    V transformed[6];
    patch_transform(half[y], transformed);
    for (int x = 0; x < 6; ++x) store(to + (y * 6 + x) * point_stride, transformed[x]);
  }
}

struct PatchToPoints {
  const WinogradPatch& patch;
  float* points;
  std::int64_t point_stride;

  template <int lanes>
  void run(std::int64_t lane) const {
    using V = Floats<lanes>;
    V half[6][6];  // [point, column]
#pragma GCC unroll 1
    for (int x = 0; x < 6; ++x) {
      if (x < patch.begin || x >= patch.end) {
        for (int y = 0; y < 6; ++y) half[y][x] = V{};
        continue;
      }
      const std::int64_t at = (patch.first_column + x) * patch.leading + lane;
      V column[6];
      V transformed[6];
      for (int y = 0; y < 6; ++y) column[y] = load<lanes>(patch.rows[y] + at);
      patch_transform(column, transformed);
      for (int y = 0; y < 6; ++y) half[y][x] = transformed[y];
    }
    store_points<V>(half, points + lane, point_stride);
  }
};

void patch_to_points(const WinogradPatch& patch, std::int64_t lanes, float* points,
                     std::int64_t point_stride) {
  for_lanes(lanes, PatchToPoints{patch, points, point_stride});
}

struct PointsToTile {
  const float* points;
  std::int64_t point_stride;
  const WinogradEpilogue& epilogue;
  const WinogradTile<float>& tile;

  template <int lanes>
  void run(std::int64_t lane) const {
    using V = Floats<lanes>;
    V half[4][6];  // [row, point]
#pragma GCC unroll 1
    for (int x = 0; x < 6; ++x) {
      V column[6];
      V transformed[4];
      for (int y = 0; y < 6; ++y) column[y] = load<lanes>(points + (y * 6 + x) * point_stride + lane);
      output_transform(column, transformed);
      for (int y = 0; y < 4; ++y) half[y][x] = transformed[y];
    }
    V bias = {};
    if (epilogue.bias != nullptr) bias = load<lanes>(epilogue.bias + lane);
    for (std::int64_t y = 0; y < tile.rows; ++y) {
      V transformed[4];
      output_transform(half[y], transformed);
      float* to = tile.data + y * tile.row_stride + lane;
      const float* residual = epilogue.residual + y * epilogue.residual_row_stride + lane;
      for (std::int64_t x = 0; x < tile.columns; ++x) {
        V value = transformed[x];
        if (epilogue.bias != nullptr) value += bias;
        if (epilogue.residual != nullptr) value += load<lanes>(residual + x * epilogue.residual_leading);
        if (epilogue.relu) value = value < 0 ? V{} : value;
        store(to + x * tile.leading, value);
      }
    }
  }
};

void points_to_tile(const float* points, std::int64_t point_stride, std::int64_t lanes,
                    const WinogradEpilogue& epilogue, const WinogradTile<float>& tile) {
  for_lanes(lanes, PointsToTile{points, point_stride, epilogue, tile});
}

struct TileToPoints {
  const WinogradTile<const float>& tile;
  float* points;
  std::int64_t point_stride;

  template <int lanes>
  void run(std::int64_t lane) const {
    using V = Floats<lanes>;
    V half[6][4];  // [point, column]
#pragma GCC unroll 1
    for (int x = 0; x < 4; ++x) {
      V column[4];
      V transformed[6];
      const float* from = tile.data + x * tile.leading + lane;
#pragma GCC unroll 4
      for (int y = 0; y < 4; ++y) {
        column[y] = x < tile.columns && y < tile.rows ? load<lanes>(from + y * tile.row_stride) : V{};
      }
      gradient_transform(column, transformed);
      for (int y = 0; y < 6; ++y) half[y][x] = transformed[y];
    }
#pragma GCC unroll 1
    for (int y = 0; y < 6; ++y) {
      V transformed[6];
      gradient_transform(half[y], transformed);
      for (int x = 0; x < 6; ++x) store(points + (y * 6 + x) * point_stride + lane, transformed[x]);
    }
  }
};

void tile_to_points(const WinogradTile<const float>& tile, std::int64_t lanes, float* points,
                    std::int64_t point_stride) {
  for_lanes(lanes, TileToPoints{tile, points, point_stride});
}

// A tile of a product: rows x (vectors * kLanes) sums, kept in registers over the depth.
template <int rows, int vectors>
void multiply_tile(const WinogradProduct& p, const float* a, const float* b, float* c, bool add) {
  using V = Floats<kLanes>;
  // Two narrow vectors lie in one panel, two wide ones in two.
  const std::int64_t next_vector = kLanes < kWinogradPanel ? kLanes : p.b_panel;
  V sums[rows][vectors] = {};
  for (std::int64_t d = 0; d < p.depth; ++d) {
    V factors[vectors];
    for (int v = 0; v < vectors; ++v) factors[v] = load<kLanes>(b + v * next_vector);
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < vectors; ++v) sums[r][v] += factors[v] * a[r * p.a_row];
    }
    a += p.a_depth;
    b += p.b_depth;
  }
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < vectors; ++v) {
      float* to = c + r * p.c_row + v * kLanes;
      store(to, add ? load<kLanes>(to) + sums[r][v] : sums[r][v]);
    }
  }
}

using MultiplyTile = void (*)(const WinogradProduct&, const float*, const float*, float*, bool);

template <int rows>
struct Tiles {
  static MultiplyTile of(std::int64_t wanted, std::int64_t vectors) {
    if constexpr (rows > 1) {
      if (wanted < rows) return Tiles<rows - 1>::of(wanted, vectors);
    }
    return vectors == 1 ? multiply_tile<rows, 1> : multiply_tile<rows, 2>;
  }
};

void multiply(const WinogradProduct& product) {
  WinogradProduct block = product;
  constexpr std::int64_t kColumns = kMostVectors * kLanes;
  for (std::int64_t first = 0; first < product.depth; first += kMostDepth) {
    block.depth = product.depth - first < kMostDepth ? product.depth - first : kMostDepth;
    const bool add = product.add || first > 0;
    for (std::int64_t column = 0; column < product.columns; column += kColumns) {
      const std::int64_t vectors = product.columns - column > kLanes ? 2 : 1;
      const float* b = product.b + column / kWinogradPanel * product.b_panel + first * product.b_depth;
      for (std::int64_t row = 0; row < product.rows; row += kMostRows) {
        const std::int64_t rows = product.rows - row < kMostRows ? product.rows - row : kMostRows;
        Tiles<kMostRows>::of(rows, vectors)(block, product.a + row * product.a_row + first * product.a_depth,
                                            b, product.c + row * product.c_row + column, add);
      }
    }
  }
}

#ifdef __AVX512F__
constexpr WinogradKernels kKernels{"avx512", patch_to_points, points_to_tile, tile_to_points, multiply};
#else
constexpr WinogradKernels kKernels{"baseline", patch_to_points, points_to_tile, tile_to_points, multiply};
#endif

}  // namespace
}  // namespace secateur::cpu
