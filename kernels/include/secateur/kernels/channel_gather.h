// Keeps given rows and columns of many tensors in one launch: what removing channels does to a model's
// weights, gradients, momentum and statistics.
//
//   out[r, m, j] = in[rows[r], m, columns[g(r)][j]]
//   in [in_rows, middle, in_columns]      out [out_rows, middle, out_columns]
//
// Filters [Cout, kH, kW, Cin] are rows = kept filters, middle = kH * kW, columns = kept input channels;
// vectors are one row of columns. g(r) = row_group[r] is the group of a kept row, with `out_columns` entries
// of `columns` for each group; null: one group. A null `rows` or `columns` keeps 0, 1, 2, ... Index tables
// are int32 in device memory; an index is trusted to lie within `in`. Repeated indices are allowed. `in` is
// dense; rows of `out` (of length out_columns) are `out_stride` apart, and lanes past out_columns are written
// as zeros. Elements are moved as they are: `element_bytes` is 2, 4 or 8. Kept bytes are read and written
// once.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

struct GatherSegment {
  void* out = nullptr;
  const void* in = nullptr;
  const std::int32_t* rows = nullptr;
  const std::int32_t* row_group = nullptr;
  const std::int32_t* columns = nullptr;
  std::int64_t out_rows = 0;
  std::int64_t middle = 1;
  std::int64_t in_columns = 0;
  std::int64_t out_columns = 0;
  std::int64_t out_stride = 0;
};

// The table of segments is in host memory and is read before the call returns. About 160 segments a launch.
[[nodiscard]] Status channel_gather(const GatherSegment* segments, std::int64_t num_segments,
                                    int element_bytes, StreamHandle stream);

}  // namespace secateur::kernels
