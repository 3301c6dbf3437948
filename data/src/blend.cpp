#include "blend.h"

#include <algorithm>
#include <array>

#ifdef __AVX2__
#include <immintrin.h>

#include <cstring>
#endif

namespace secateur::data {
namespace {

constexpr int kRowShift = kBlendWeightBits - kBlendFractionBits;
constexpr int kColumnShift = kBlendWeightBits + kBlendFractionBits;

std::uint8_t* place(const ColumnBlend& blend, std::int64_t x, std::uint8_t* rgb) {
  return rgb + (blend.mirrored ? blend.width - 1 - x : x) * 3;
}

}  // namespace

void plain_blend_rows(const RowBlend& blend, std::uint16_t* blended) {
  constexpr std::int64_t kStrip = 64;
  std::array<std::int32_t, kStrip> sums{};
  for (std::int64_t start = 0; start < blend.values; start += kStrip) {
    const std::int64_t values = std::min(kStrip, blend.values - start);
    sums.fill(1 << (kRowShift - 1));
    for (std::int64_t r = 0; r < blend.count; ++r) {
      const std::uint8_t* row = blend.rows + r * blend.stride + start;
      const std::int32_t weight = blend.weights[r];
#pragma omp simd
      for (std::int64_t i = 0; i < values; ++i) sums[static_cast<std::size_t>(i)] += weight * row[i];
    }
#pragma omp simd
    for (std::int64_t i = 0; i < values; ++i)
      blended[start + i] = static_cast<std::uint16_t>(sums[static_cast<std::size_t>(i)] >> kRowShift);
  }
}

void plain_blend_columns(const ColumnBlend& blend, std::uint8_t* rgb) {
  for (std::int64_t x = 0; x < blend.width; ++x) {
    const std::uint16_t* from = blend.blended + (blend.first[x] - blend.left) * 4;
    const std::int16_t* weights = blend.weights + x * blend.taps;
    std::array<std::int32_t, 3> sums{};
    sums.fill(1 << (kColumnShift - 1));
    for (std::int64_t k = 0; k < blend.taps; ++k) {
      const std::int32_t weight = weights[k];
      for (std::size_t c = 0; c < 3; ++c) sums[c] += weight * from[4 * k + static_cast<std::int64_t>(c)];
    }
    std::uint8_t* to = place(blend, x, rgb);
    for (std::size_t c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>(sums[c] >> kColumnShift);
  }
}

#ifdef __AVX2__

namespace {

__m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

// 32 values. Instructions that unpack and pack work within halves of a register: values come out in order
// again by the last exchange of halves.
void blend_strip(const RowBlend& blend, std::int64_t start, std::uint16_t* blended) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i sums[4];
  std::fill_n(sums, 4, _mm256_set1_epi32(1 << (kRowShift - 1)));
  for (std::int64_t r = 0; r < blend.count; r += 2) {
    const bool pair = r + 1 < blend.count;
    const std::uint8_t* row = blend.rows + r * blend.stride + start;
    const __m256i upper = load(row);
    const __m256i lower = load(pair ? row + blend.stride : row);
    const std::int32_t weights = blend.weights[r] | (pair ? blend.weights[r + 1] << 16 : 0);
    const __m256i both = _mm256_set1_epi32(weights);
    const __m256i low = _mm256_unpacklo_epi8(upper, lower);
    const __m256i high = _mm256_unpackhi_epi8(upper, lower);
    const __m256i pairs[4] = {_mm256_unpacklo_epi8(low, zero), _mm256_unpackhi_epi8(low, zero),
                              _mm256_unpacklo_epi8(high, zero), _mm256_unpackhi_epi8(high, zero)};
    for (int i = 0; i < 4; ++i) sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs[i], both));
  }
  for (__m256i& sum : sums) sum = _mm256_srli_epi32(sum, kRowShift);
  const __m256i left = _mm256_packus_epi32(sums[0], sums[1]);
  const __m256i right = _mm256_packus_epi32(sums[2], sums[3]);
  auto* to = reinterpret_cast<__m256i*>(blended + start);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(left, right, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(left, right, 0x31));
}

}  // namespace

void blend_rows(const RowBlend& blend, std::uint16_t* blended) {
  constexpr std::int64_t kStrip = 32;
  if (blend.values < kStrip) return plain_blend_rows(blend, blended);
  for (std::int64_t i = 0; i + kStrip <= blend.values; i += kStrip) blend_strip(blend, i, blended);
  if (blend.values % kStrip != 0) blend_strip(blend, blend.values - kStrip, blended);
}

namespace {

// Sums of the taps of one pixel, in two parts: each half of the register holds [4] for every other pair of
// taps.
__m256i column_sums(const ColumnBlend& blend, std::int64_t x) {
  // Of two pixels in half a register: their values of each colour side by side; and so their weights.
  const __m256i colors =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
  const __m256i twos = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,  //
                                        4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
  const std::uint16_t* from = blend.blended + (blend.first[x] - blend.left) * 4;
  const std::int16_t* weights = blend.weights + x * blend.taps;
  __m256i sums = _mm256_setzero_si256();
  for (std::int64_t k = 0; k < blend.taps; k += kBlendTaps) {
    std::int64_t four = 0;
    std::memcpy(&four, weights + k, sizeof four);
    const __m256i pixels = _mm256_shuffle_epi8(load(from + 4 * k), colors);
    const __m256i factors = _mm256_shuffle_epi8(_mm256_set1_epi64x(four), twos);
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pixels, factors));
  }
  return sums;
}

// Levels of two pixels, one in each half.
__m256i column_levels(const ColumnBlend& blend, std::int64_t x, std::int64_t y) {
  const __m256i first = column_sums(blend, x);
  const __m256i second = column_sums(blend, y);
  const __m256i sums = _mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x20),
                                        _mm256_permute2x128_si256(first, second, 0x31));
  return _mm256_srli_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(1 << (kColumnShift - 1))), kColumnShift);
}

}  // namespace

void blend_columns(const ColumnBlend& blend, std::uint8_t* rgb) {
  constexpr std::int64_t kStrip = 4;
  if (blend.width < kStrip) return plain_blend_columns(blend, rgb);
  // [x, x + 2, x + 1, x + 3] of four bytes each to 12 bytes in order, or in the opposite one.
  const __m128i in_order = _mm_setr_epi8(0, 1, 2, 8, 9, 10, 4, 5, 6, 12, 13, 14, -1, -1, -1, -1);
  const __m128i mirrored = _mm_setr_epi8(12, 13, 14, 4, 5, 6, 8, 9, 10, 0, 1, 2, -1, -1, -1, -1);
  const __m128i order = blend.mirrored ? mirrored : in_order;
  for (std::int64_t next = 0; next < blend.width; next += kStrip) {
    const std::int64_t x = std::min(next, blend.width - kStrip);
    const __m256i words =
        _mm256_packus_epi32(column_levels(blend, x, x + 1), column_levels(blend, x + 2, x + 3));
    const __m128i levels =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    const __m128i four = _mm_shuffle_epi8(levels, order);
    std::memcpy(place(blend, blend.mirrored ? x + kStrip - 1 : x, rgb), &four, 3 * kStrip);
  }
}

#else

void blend_rows(const RowBlend& blend, std::uint16_t* blended) { plain_blend_rows(blend, blended); }
void blend_columns(const ColumnBlend& blend, std::uint8_t* rgb) { plain_blend_columns(blend, rgb); }

#endif

}  // namespace secateur::data
