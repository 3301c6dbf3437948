// The two passes of a resampling over one row of the output: rows of the input into one, then its columns.
//
// Weights are whole 2^-14 and sum to one; between the passes a value is a level in 2^-6, and both fit 16 bits
// with a sign, of which processors multiply and add pairs at once. Integers throughout: every machine gets
// the same bytes.
#pragma once

#include <cstdint>

namespace secateur::data {

inline constexpr int kBlendWeightBits = 14;
inline constexpr int kBlendFractionBits = 6;
inline constexpr std::int64_t kBlendTaps = 4;  // weights of a column come in whole fours, zeros at the end

// blended[i] = sum over r of weights[r] * rows[r * stride + i]
struct RowBlend {
  const std::uint8_t* rows;
  std::int64_t stride;
  const std::int16_t* weights;
  std::int64_t count;   // rows
  std::int64_t values;  // of each row
};

// rgb[x, c] = sum over k of weights[x, k] * blended[first[x] - left + k, c]; mirrored: of width - 1 - x.
struct ColumnBlend {
  const std::uint16_t* blended;  // [columns, 4]
  std::int64_t left;             // the column that `blended` begins with
  const std::int64_t* first;     // [width]
  const std::int16_t* weights;   // [width, taps]
  std::int64_t taps;             // a multiple of kBlendTaps, all of which are read
  std::int64_t width;
  bool mirrored;
};

// By the widest vectors that the build has.
void blend_rows(const RowBlend& blend, std::uint16_t* blended);
void blend_columns(const ColumnBlend& blend, std::uint8_t* rgb);

// The same for any processor.
void plain_blend_rows(const RowBlend& blend, std::uint16_t* blended);
void plain_blend_columns(const ColumnBlend& blend, std::uint8_t* rgb);

}  // namespace secateur::data
