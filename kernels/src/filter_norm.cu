#include "secateur/kernels/filter_norm.h"

#include "device/checks.h"
#include "device/memory.cuh"
#include "device/reduce.cuh"
#include "device/segments.cuh"

namespace secateur::kernels {
namespace {

constexpr int kFiltersPerBlock = 8;  // one warp each

struct AbsoluteSum {
  __device__ __forceinline__ float operator()(float sum, float weight) const { return sum + fabsf(weight); }
};
struct SquareSum {
  __device__ __forceinline__ float operator()(float sum, float weight) const { return sum + weight * weight; }
};
struct AbsoluteMax {
  __device__ __forceinline__ float operator()(float best, float weight) const {
    return MaxOrNan{}(best, fabsf(weight));
  }
};

// Folds a contiguous row with the lanes of a warp: scalars up to the first 16-byte boundary, packs, scalars
// again. Every position of a pack has its own running value, which keeps the chains short.
template <typename T, typename Fold>
__device__ __forceinline__ void fold_row(const T* row, std::int64_t size, Fold fold,
                                         float (&running)[kPackWidth<T, true>]) {
  constexpr int kWidth = kPackWidth<T, true>;
  const int lane = lane_index();
  const auto misalignment = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(row) % 16 / sizeof(T));
  const std::int64_t head = least(size, (kWidth - misalignment) % kWidth);
  const std::int64_t packs = (size - head) / kWidth;
  const std::int64_t tail = head + packs * kWidth;
  if (lane < head) running[0] = fold(running[0], to_float(row[lane]));
#pragma unroll 4
  for (std::int64_t pack = lane; pack < packs; pack += kWarpSize) {
    float weights[kWidth];
    load_full_pack<T, kWidth>(row + head + pack * kWidth, weights);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) running[i] = fold(running[i], weights[i]);
  }
  if (tail + lane < size) running[0] = fold(running[0], to_float(row[tail + lane]));
}

template <typename T, NormKind kKind>
__global__ void __launch_bounds__(kFiltersPerBlock* kWarpSize)
    filter_norm_kernel(const __grid_constant__ SegmentTable<FilterNormSegment> table, bool per_weight) {
  const int index = find_segment(table, block_index());
  const FilterNormSegment& segment = table.segments[index];
  const std::int64_t filter = (block_index() - table.first_block[index]) * kFiltersPerBlock + warp_index();
  if (filter >= segment.num_filters) return;  // the whole warp leaves; no barrier follows
  constexpr int kWidth = kPackWidth<T, true>;
  const T* row = static_cast<const T*>(segment.filters) + filter * segment.filter_size;
  float running[kWidth] = {};
  double norm = 0.0;
  if constexpr (kKind == NormKind::max) {
    fold_row(row, segment.filter_size, AbsoluteMax{}, running);
    float best = 0.0F;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) best = MaxOrNan{}(best, running[i]);
    norm = warp_reduce(best, MaxOrNan{});
  } else {
    if constexpr (kKind == NormKind::l1) {
      fold_row(row, segment.filter_size, AbsoluteSum{}, running);
    } else {
      fold_row(row, segment.filter_size, SquareSum{}, running);
    }
#pragma unroll
    for (int i = 0; i < kWidth; ++i) norm += running[i];
    norm = warp_reduce(norm, Sum{});
    if constexpr (kKind == NormKind::l2) norm = sqrt(norm);
  }
  if (per_weight && segment.filter_size > 0) norm /= static_cast<double>(segment.filter_size);
  if (lane_index() == 0) segment.norms[filter] = norm;
}

}  // namespace

Status filter_norm(const FilterNormSegment* segments, std::int64_t num_segments, DType type, NormKind kind,
                   bool per_weight, StreamHandle stream) {
  Check check("filter_norm");
  check.type(type).size("num_segments", num_segments);
  if (num_segments > 0) check.pointer("segments", segments);
  for (std::int64_t i = 0; !check.failed() && i < num_segments; ++i) {
    const FilterNormSegment& segment = segments[i];
    check.size("num_filters", segment.num_filters).size("filter_size", segment.filter_size);
    check.map("filters", segment.filters, size_of(type), segment.num_filters, segment.filter_size,
              segment.filter_size);
    if (segment.num_filters > 0) check.pointer("norms", segment.norms);
  }
  if (check.failed()) return check.status();
  const auto blocks = [](const FilterNormSegment& segment) {
    return ceil_div(segment.num_filters, kFiltersPerBlock);
  };
  return with_type(type, [&]<typename T>() -> Status {
    const auto run = [&](auto kernel) {
      return launch_segments("filter_norm", kernel, segments, num_segments, blocks,
                             kFiltersPerBlock * kWarpSize, stream, per_weight);
    };
    switch (kind) {
      case NormKind::l1:
        return run(&filter_norm_kernel<T, NormKind::l1>);
      case NormKind::l2:
        return run(&filter_norm_kernel<T, NormKind::l2>);
      case NormKind::l2_squared:
        return run(&filter_norm_kernel<T, NormKind::l2_squared>);
      case NormKind::max:
        return run(&filter_norm_kernel<T, NormKind::max>);
    }
    return Status::invalid("filter_norm: unknown kind of norm");
  });
}

}  // namespace secateur::kernels
