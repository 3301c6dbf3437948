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

// What a loop reads of a struct through a reference is copied out of it first: the compiler must take it that
// a store of floats changes it, and reads it again.

// Calls work.run<lanes>(lane) for whole vectors, and a half one for what is left.
template <class Work>
inline void for_lanes(std::int64_t lanes, const Work& work) {
  std::int64_t lane = 0;
  for (; lane + kLanes <= lanes; lane += kLanes) work.template run<kLanes>(lane);
  if (lane < lanes) work.template run<kHalfLanes>(lane);
}

// Rows of Bt d, in the pairs that share their terms.
struct OuterPoints {  // zero and infinity
  static constexpr int low = 0, high = 5;
  template <class V>
  static void transform(const V (&d)[6], V& at_low, V& at_high) {
    constexpr float kSum = Points::a2 + Points::b2;
    constexpr float kProduct = Points::a2 * Points::b2;
    at_low = d[0] * kProduct + (d[4] - d[2] * kSum);
    at_high = d[1] * kProduct + (d[5] - d[3] * kSum);
  }
};
struct PointsA {  // -a and a
  static constexpr int low = 1, high = 2;
  template <class V>
  static void transform(const V (&d)[6], V& at_low, V& at_high) {
    const V even = d[4] - d[2] * Points::b2;
    const V odd = d[3] - d[1] * Points::b2;
    at_low = even - odd * Points::a;
    at_high = even + odd * Points::a;
  }
};
struct PointsB {  // -b and b
  static constexpr int low = 3, high = 4;
  template <class V>
  static void transform(const V (&d)[6], V& at_low, V& at_high) {
    const V even = d[4] - d[2] * Points::a2;
    const V odd = d[3] - d[1] * Points::a2;
    at_low = even - odd * Points::b;
    at_high = even + odd * Points::b;
  }
};

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

// A patch's rows as WinogradPatch has them; its columns lie inside the map, except perhaps the outermost.
struct PatchRows {
  const float* const* rows;
  std::int64_t offset;  // of the first column
  std::int64_t leading;
};

// Bt d B in three steps, of two rows of points each: their twelve intermediate values stay in registers.
// `first` and `last`: whether the outermost columns lie inside. Never inlined, since GCC would compute the
// addresses of all three steps at once and keep them in memory.
template <class Pair, int lanes, bool first, bool last>
[[gnu::noinline]] void patch_step(const PatchRows& patch, float* points, std::int64_t point_stride) {
  using V = Floats<lanes>;
  V low[6];
  V high[6];
#pragma GCC unroll 6
  for (int x = 0; x < 6; ++x) {
    if ((x == 0 && !first) || (x == 5 && !last)) {
      low[x] = high[x] = V{};
      continue;
    }
    V column[6];
#pragma GCC unroll 6
    for (int y = 0; y < 6; ++y) column[y] = load<lanes>(patch.rows[y] + patch.offset + x * patch.leading);
    Pair::transform(column, low[x], high[x]);
  }
  const auto store_row = [&](const V(&half)[6], float* to) {
    V out[6];
    OuterPoints::transform(half, out[OuterPoints::low], out[OuterPoints::high]);
    PointsA::transform(half, out[PointsA::low], out[PointsA::high]);
    PointsB::transform(half, out[PointsB::low], out[PointsB::high]);
#pragma GCC unroll 6
    for (int x = 0; x < 6; ++x, to += point_stride) store(to, out[x]);
  };
  store_row(low, points + Pair::low * 6 * point_stride);
  store_row(high, points + Pair::high * 6 * point_stride);
}

template <int lanes, bool first, bool last>
void patch_steps(const PatchRows& patch, float* points, std::int64_t point_stride) {
  patch_step<OuterPoints, lanes, first, last>(patch, points, point_stride);
  patch_step<PointsA, lanes, first, last>(patch, points, point_stride);
  patch_step<PointsB, lanes, first, last>(patch, points, point_stride);
}

struct PatchToPoints {
  const WinogradPatch& patch;
  float* points;
  std::int64_t point_stride;

  template <int lanes>
  void run(std::int64_t lane) const {
    const PatchRows rows{patch.rows, patch.first_column * patch.leading + lane, patch.leading};
    float* to = points + lane;
    if (patch.begin <= 1 && patch.end >= 5) {
      const bool first = patch.begin == 0;
      const bool last = patch.end == 6;
      if (first && last) return patch_steps<lanes, true, true>(rows, to, point_stride);
      if (first) return patch_steps<lanes, true, false>(rows, to, point_stride);
      if (last) return patch_steps<lanes, false, true>(rows, to, point_stride);
      return patch_steps<lanes, false, false>(rows, to, point_stride);
    }
    // Narrow maps and the ends of odd ones: a copy with zeros outside.
    alignas(64) float inside[6][6 * lanes] = {};
    const float* copied[6];
    for (int y = 0; y < 6; ++y) {
      for (std::int64_t x = patch.begin; x < patch.end; ++x) {
        store(inside[y] + x * lanes, load<lanes>(patch.rows[y] + rows.offset + x * rows.leading));
      }
      copied[y] = inside[y];
    }
    patch_steps<lanes, true, true>({copied, 0, lanes}, to, point_stride);
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
    const WinogradEpilogue end = epilogue;
    const WinogradTile<float> to = tile;
    const std::int64_t stride = point_stride;
    V half[4][6];  // [row, point]
#pragma GCC unroll 1
    for (int x = 0; x < 6; ++x) {
      V column[6];
      V transformed[4];
      for (int y = 0; y < 6; ++y) column[y] = load<lanes>(points + (y * 6 + x) * stride + lane);
      output_transform(column, transformed);
      for (int y = 0; y < 4; ++y) half[y][x] = transformed[y];
    }
    V bias = {};
    if (end.bias != nullptr) bias = load<lanes>(end.bias + lane);
    for (std::int64_t y = 0; y < to.rows; ++y) {
      V row[4];
      output_transform(half[y], row);
      float* out = to.data + y * to.row_stride + lane;
      const float* residual = end.residual + y * end.residual_row_stride + lane;
#pragma GCC unroll 4
      for (int x = 0; x < 4; ++x) {
        if (x >= to.columns) break;
        V value = row[x];
        if (end.bias != nullptr) value += bias;
        if (end.residual != nullptr) value += load<lanes>(residual + x * end.residual_leading);
        if (end.relu) value = value < 0 ? V{} : value;
        store(out + x * to.leading, value);
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
    const WinogradTile<const float> from = tile;
    const std::int64_t stride = point_stride;
    V half[6][4];  // [point, column]
#pragma GCC unroll 1
    for (int x = 0; x < 4; ++x) {
      V transformed[6] = {};
      if (x < from.columns) {
        V column[4];
        const float* data = from.data + x * from.leading + lane;
#pragma GCC unroll 4
        for (int y = 0; y < 4; ++y) column[y] = y < from.rows ? load<lanes>(data + y * from.row_stride) : V{};
        gradient_transform(column, transformed);
      }
      for (int y = 0; y < 6; ++y) half[y][x] = transformed[y];
    }
    float* to = points + lane;
#pragma GCC unroll 1
    for (int y = 0; y < 6; ++y) {
      V transformed[6];
      gradient_transform(half[y], transformed);
      for (int x = 0; x < 6; ++x, to += stride) store(to, transformed[x]);
    }
  }
};

void tile_to_points(const WinogradTile<const float>& tile, std::int64_t lanes, float* points,
                    std::int64_t point_stride) {
  for_lanes(lanes, TileToPoints{tile, points, point_stride});
}

// A tile of a product: rows x (vectors * kLanes) sums, kept in registers over the depth. Loops over the sums
// are unrolled by name: GCC 12 does it late by itself, and leaves the array on the stack.
template <int rows, int vectors>
void multiply_tile(const WinogradProduct& p, const float* a, const float* b, float* c, bool add) {
  using V = Floats<kLanes>;
  // Two narrow vectors lie in one panel, two wide ones in two.
  const std::int64_t next_vector = kLanes < kWinogradPanel ? kLanes : p.b_panel;
  V sums[rows][vectors];
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) sums[r][v] = V{};
  }
  for (std::int64_t d = 0; d < p.depth; ++d) {
    V factors[vectors];
    for (int v = 0; v < vectors; ++v) factors[v] = load<kLanes>(b + v * next_vector);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sums[r][v] += factors[v] * a[r * p.a_row];
    }
    a += p.a_depth;
    b += p.b_depth;
  }
  if (add) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) sums[r][v] += load<kLanes>(c + r * p.c_row + v * kLanes);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) store(c + r * p.c_row + v * kLanes, sums[r][v]);
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
