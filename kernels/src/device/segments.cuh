// One launch over many pieces of work of different sizes: the table of pieces travels as a kernel parameter,
// so that no device memory, copy or synchronisation is needed and a captured graph keeps it.
#pragma once

#include "numeric.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {

// Kernel parameters hold 32,764 bytes from CUDA 12.1 and compute capability 7.0 on.
constexpr std::size_t kParameterBytes = 16 * 1024;

template <typename Segment>
struct SegmentTable {
  static constexpr int kCapacity = static_cast<int>((kParameterBytes - 16) / (sizeof(Segment) + 8));
  int count = 0;
  std::int64_t first_block[kCapacity];
  Segment segments[kCapacity];
};

// The segment that a block belongs to: the last one that starts at or before it.
template <typename Segment>
__device__ __forceinline__ int find_segment(const SegmentTable<Segment>& table, std::int64_t block) {
  int low = 0;
  int high = table.count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (table.first_block[middle] <= block) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

// Launches kernel(table, extra...) over all segments; blocks_of(segment) says how many blocks one needs.
// Segments that need none are left out. More than kCapacity segments take several launches.
template <typename Segment, typename BlocksOf, typename Kernel, typename... Extra>
[[nodiscard]] Status launch_segments(const char* name, Kernel kernel, const Segment* segments,
                                     std::int64_t count, BlocksOf&& blocks_of, int threads,
                                     StreamHandle stream, const Extra&... extra) {
  SegmentTable<Segment> table;
  std::int64_t blocks = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t needed = blocks_of(segments[i]);
    if (needed > 0) {
      table.first_block[table.count] = blocks;
      table.segments[table.count] = segments[i];
      table.count += 1;
      blocks += needed;
    }
    if (table.count == SegmentTable<Segment>::kCapacity || (i + 1 == count && table.count > 0)) {
      Status status = launch(name, kernel, {blocks, 1, 1}, threads, 0, stream, table, extra...);
      if (!status.ok()) return status;
      table.count = 0;
      blocks = 0;
    }
  }
  return Status::success();
}

}  // namespace secateur::kernels
