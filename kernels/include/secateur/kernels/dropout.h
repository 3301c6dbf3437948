// Inverted dropout (Srivastava et al. 2014), and its gradient, which is the same call on dy:
//
//   out[r, c] = x[r, c] / (1 - rate) where the unit is kept, else 0
//
// A unit is kept where its number, word (unit % 4) of Philox4x32-10 with key = seed and counter {unit / 4,
// layer, *step, 4}, is at least rate * 2^32. unit = (first_row + r) * original_channels + origin[c]: a unit
// is counted in the map as it was before channels were removed, so that it draws the same number afterwards,
// and in the map of the whole batch where this one is a part of it. The mask is drawn, never stored.
//
// Maps are [rows, channels] with one leading dimension; lanes channels .. zeroed_channels-1 of out are
// written as zeros (0: none). `origin` (null: 0, 1, 2, ...) and *step are in device memory. One read and one
// write of the map; out may be x.
#pragma once

#include <cstdint>

#include "secateur/kernels/elementwise.h"
#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

struct DropoutOptions {
  double rate = 0.5;  // in [0, 1)
  std::uint64_t seed = 0;
  std::uint32_t layer = 0;
  std::int64_t original_channels = 0;
  std::int64_t zeroed_channels = 0;
  std::int64_t first_row = 0;
};

[[nodiscard]] Status dropout(void* out, const void* x, const std::int32_t* origin, const std::uint32_t* step,
                             const DropoutOptions& options, const ElementwiseShape& shape,
                             StreamHandle stream);

}  // namespace secateur::kernels
