// Norms of filters: the magnitude score of Eqs. 1-2 (sum |w| over a filter, per weight), for all layers at
// once.
//
//   l1: sum |w|    l2: sqrt(sum w^2)    l2_squared: sum w^2    max: max |w|
//   per_weight divides the result by the number of weights of the filter.
//
// A segment is one layer: `filters` [num_filters, filter_size] dense, filter_size = kH * kW * Cin (KRSC);
// `norms` [num_filters] receives the result. One launch for up to 400 segments or so (more take further
// launches). A lane sums in fp32 over at most filter_size / 128 weights in a row; what lanes sum is added in
// fp64, in a fixed order. A filter of size 0 has norm 0 (per weight, too). NaN among the weights gives NaN,
// infinity gives infinity.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

enum class NormKind : std::uint8_t { l1, l2, l2_squared, max };

struct FilterNormSegment {
  double* norms = nullptr;
  const void* filters = nullptr;
  std::int64_t num_filters = 0;
  std::int64_t filter_size = 0;
};

// The table of segments is in host memory and is read before the call returns.
[[nodiscard]] Status filter_norm(const FilterNormSegment* segments, std::int64_t num_segments, DType type,
                                 NormKind kind, bool per_weight, StreamHandle stream);

}  // namespace secateur::kernels
