#include "secateur/kernels/channel_gather.h"

#include "device/checks.h"
#include "device/memory.cuh"
#include "device/segments.cuh"

namespace secateur::kernels {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kBlockElements = 4096;

// A line is one row of out_columns elements; a block takes as many lines as make a fair piece of work.
__host__ __device__ __forceinline__ std::int64_t lines_of(const GatherSegment& segment) {
  return segment.out_rows * segment.middle;
}
__host__ __device__ __forceinline__ std::int64_t lines_a_block(const GatherSegment& segment) {
  return greatest<std::int64_t>(kBlockElements / greatest<std::int64_t>(segment.out_stride, 1), 1);
}

template <typename Element>
__global__ void __launch_bounds__(kThreads)
    channel_gather_kernel(const __grid_constant__ SegmentTable<GatherSegment> table) {
  const int index = find_segment(table, block_index());
  const GatherSegment& segment = table.segments[index];
  const std::int64_t first = (block_index() - table.first_block[index]) * lines_a_block(segment);
  const std::int64_t last = least(first + lines_a_block(segment), lines_of(segment));
  // Threads stand side by side over a line's elements, and over several lines where lines are short.
  int lanes = 1;
  while (lanes < kThreads && lanes < segment.out_stride) lanes *= 2;
  const int lane = thread_index() % lanes;
  for (std::int64_t line = first + thread_index() / lanes; line < last; line += kThreads / lanes) {
    const std::int64_t row = line / segment.middle;
    const std::int64_t position = line - row * segment.middle;
    const std::int64_t source_row = segment.rows != nullptr ? segment.rows[row] : row;
    const std::int64_t group = segment.row_group != nullptr ? segment.row_group[row] : 0;
    const Element* in = static_cast<const Element*>(segment.in) +
                        (source_row * segment.middle + position) * segment.in_columns;
    Element* out = static_cast<Element*>(segment.out) + line * segment.out_stride;
    const std::int32_t* columns =
        segment.columns != nullptr ? segment.columns + group * segment.out_columns : nullptr;
    for (std::int64_t j = lane; j < segment.out_stride; j += lanes) {
      Element value{};
      if (j < segment.out_columns) value = in[columns != nullptr ? columns[j] : j];
      out[j] = value;
    }
  }
}

}  // namespace

Status channel_gather(const GatherSegment* segments, std::int64_t num_segments, int element_bytes,
                      StreamHandle stream) {
  Check check("channel_gather");
  check.size("num_segments", num_segments);
  check.that(element_bytes == 2 || element_bytes == 4 || element_bytes == 8,
             "element_bytes is " + std::to_string(element_bytes) + ", not 2, 4 or 8");
  if (num_segments > 0) check.pointer("segments", segments);
  for (std::int64_t i = 0; !check.failed() && i < num_segments; ++i) {
    const GatherSegment& segment = segments[i];
    check.size("out_rows", segment.out_rows)
        .size("middle", segment.middle)
        .size("in_columns", segment.in_columns);
    check.size("out_columns", segment.out_columns).product("out", segment.out_rows, segment.middle);
    if (check.failed()) break;
    check.map("out", segment.out, element_bytes, segment.out_rows * segment.middle, segment.out_columns,
              segment.out_stride);
    check.that(segment.columns != nullptr || segment.out_columns <= segment.in_columns,
               "out_columns " + std::to_string(segment.out_columns) + " is more than in_columns " +
                   std::to_string(segment.in_columns) + ", with no table of columns");
    check.that(segment.row_group == nullptr || segment.columns != nullptr,
               "row_group without a table of columns");
    if (lines_of(segment) > 0 && segment.out_columns > 0) check.pointer("in", segment.in);
    check.aligned("in", segment.in, element_bytes);
  }
  if (check.failed()) return check.status();
  const auto blocks = [](const GatherSegment& segment) {
    return segment.out_stride > 0 && segment.out != nullptr
               ? ceil_div(lines_of(segment), lines_a_block(segment))
               : 0;
  };
  const auto run = [&](auto kernel) {
    return launch_segments("channel_gather", kernel, segments, num_segments, blocks, kThreads, stream);
  };
  if (element_bytes == 2) return run(&channel_gather_kernel<std::uint16_t>);
  if (element_bytes == 4) return run(&channel_gather_kernel<std::uint32_t>);
  return run(&channel_gather_kernel<std::uint64_t>);
}

}  // namespace secateur::kernels
