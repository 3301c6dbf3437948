#include "secateur/kernels/map_channels.h"

#include "device/checks.h"
#include "device/memory.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr std::int64_t kManyBlocks = std::int64_t{1} << 24;
constexpr std::int64_t kRowsAThread =
    8;  // a thread keeps its channel, whose indices it reads once for all its rows

template <typename T>
__global__ void __launch_bounds__(kTileThreads)
    gather_channels_kernel(T* out, const T* x, const std::int32_t* table, std::int64_t out_ld,
                           std::int64_t ld, RowTiling tiling) {
  const RowPosition at = row_position<1>(tiling);
  if (at.channel >= tiling.channels) return;
  const std::int64_t source = table[at.channel];
#pragma unroll 4
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    out[row * out_ld + at.channel] = source >= 0 ? x[row * ld + source] : from_float<T>(0.0F);
  }
}

template <typename T>
__global__ void __launch_bounds__(kTileThreads)
    sum_channels_kernel(T* out, const T* x, const std::int32_t* first, const std::int32_t* sources,
                        std::int64_t out_ld, std::int64_t ld, RowTiling tiling) {
  const RowPosition at = row_position<1>(tiling);
  if (at.channel >= tiling.channels) return;
  const std::int64_t begin = first[at.channel];
  const std::int64_t end = first[at.channel + 1];
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    float sum = 0.0F;
    for (std::int64_t i = begin; i < end; ++i) sum += to_float(x[row * ld + sources[i]]);
    out[row * out_ld + at.channel] = from_float<T>(sum);
  }
}

template <typename T>
__global__ void __launch_bounds__(kTileThreads)
    scatter_add_channels_kernel(T* out, const T* x, const std::int32_t* table, std::int64_t out_ld,
                                std::int64_t ld, RowTiling tiling) {
  const RowPosition at = row_position<1>(tiling);
  if (at.channel >= tiling.channels) return;
  const std::int64_t target = table[at.channel];
#pragma unroll 4
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    T& sum = out[row * out_ld + target];
    sum = from_float<T>(to_float(sum) + to_float(x[row * ld + at.channel]));
  }
}

// Checks; x_channels is 0 where the table decides which channels of x are read.
bool check_call(Check& check, const void* out, const void* x, const void* table, std::int64_t x_channels,
                const ChannelsShape& shape) {
  check.type(shape.type).size("rows", shape.rows).size("out_channels", shape.out_channels);
  check.size("ld", shape.ld);
  if (check.failed()) return false;
  const std::int64_t bytes = size_of(shape.type);
  check.map("out", out, bytes, shape.rows, shape.out_channels, shape.out_ld);
  check.map("x", x, bytes, shape.rows, x_channels, shape.ld);
  if (shape.rows > 0 && shape.out_channels > 0) check.pointer("table", table);
  return !check.failed() && shape.rows > 0 && shape.out_channels > 0;
}

}  // namespace

Status gather_channels(void* out, const void* x, const std::int32_t* table, const ChannelsShape& shape,
                       StreamHandle stream) {
  Check check("gather_channels");
  if (!check_call(check, out, x, table, 0, shape)) return check.status();
  return with_type(shape.type, [&]<typename T>() -> Status {
    const RowTiling tiling = tile_rows(shape.rows, shape.out_channels, 1, kRowsAThread, kManyBlocks);
    return launch("gather_channels", &gather_channels_kernel<T>,
                  {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream,
                  static_cast<T*>(out), static_cast<const T*>(x), table, shape.out_ld, shape.ld, tiling);
  });
}

Status sum_channels(void* out, const void* x, const std::int32_t* first, const std::int32_t* sources,
                    const ChannelsShape& shape, StreamHandle stream) {
  Check check("sum_channels");
  if (!check_call(check, out, x, first, 0, shape)) return check.status();
  return with_type(shape.type, [&]<typename T>() -> Status {
    const RowTiling tiling = tile_rows(shape.rows, shape.out_channels, 1, kRowsAThread, kManyBlocks);
    return launch("sum_channels", &sum_channels_kernel<T>, {tiling.row_blocks * tiling.column_blocks, 1, 1},
                  kTileThreads, 0, stream, static_cast<T*>(out), static_cast<const T*>(x), first, sources,
                  shape.out_ld, shape.ld, tiling);
  });
}

Status scatter_add_channels(void* out, const void* x, const std::int32_t* table, std::int64_t num_sources,
                            const ChannelsShape& shape, StreamHandle stream) {
  Check check("scatter_add_channels");
  check.size("num_sources", num_sources);
  check.that(num_sources <= shape.out_channels,
             "more sources than channels to add to, so that some would meet");
  if (check.failed() || !check_call(check, out, x, table, num_sources, shape)) return check.status();
  if (num_sources == 0) return Status::success();
  return with_type(shape.type, [&]<typename T>() -> Status {
    const RowTiling tiling = tile_rows(shape.rows, num_sources, 1, kRowsAThread, kManyBlocks);
    return launch("scatter_add_channels", &scatter_add_channels_kernel<T>,
                  {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream,
                  static_cast<T*>(out), static_cast<const T*>(x), table, shape.out_ld, shape.ld, tiling);
  });
}

}  // namespace secateur::kernels
