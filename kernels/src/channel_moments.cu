#include "secateur/kernels/channel_moments.h"

#include "device/checks.h"
#include "device/map_source.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    channel_moments_kernel(ChannelMoments out, const T* maps, std::int64_t positions, std::int64_t channels,
                           std::int64_t ld, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const std::int64_t image = block_index() / tiling.column_blocks;
  const std::int64_t column_block = block_index() % tiling.column_blocks;
  const std::int64_t lane = thread_index() % tiling.lanes;
  const std::int64_t channel = (column_block * tiling.lanes + lane) * kWidth;
  MapStatistics statistics[kWidth];
  map_statistics<kWidth>(GlobalMap<T, kWidth>{maps + image * positions * ld, ld}, positions, channel,
                         channels - channel, tiling.lanes, statistics);
  if (thread_index() >= tiling.lanes) return;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (channel + i >= channels) break;
    const std::int64_t slot = image * channels + channel + i;
    if (out.mean != nullptr) out.mean[slot] = statistics[i].moments.mean;
    if (out.centred_squares != nullptr) out.centred_squares[slot] = statistics[i].moments.centred_squares;
    if (out.smallest != nullptr) out.smallest[slot] = statistics[i].smallest;
    if (out.largest != nullptr) out.largest[slot] = statistics[i].largest;
  }
}

}  // namespace

Status channel_moments(const ChannelMoments& moments, const void* maps, const MapShape& shape,
                       StreamHandle stream) {
  Check check("channel_moments");
  check_map_shape(check, "maps", maps, shape);
  if (check.failed()) return check.status();
  if (shape.images == 0 || shape.channels == 0) return Status::success();
  return with_type(shape.type, [&]<typename T>() -> Status {
    const auto run = [&](auto kernel, int width) {
      const RowTiling tiling = tile_rows(shape.positions, shape.channels, width, 1, 1);
      return launch("channel_moments", kernel, {shape.images * tiling.column_blocks, 1, 1}, kTileThreads, 0,
                    stream, moments, static_cast<const T*>(maps), shape.positions, shape.channels, shape.ld,
                    tiling);
    };
    if (rows_aligned(maps, shape.ld, sizeof(T))) {
      return run(&channel_moments_kernel<T, true>, kPackWidth<T, true>);
    }
    return run(&channel_moments_kernel<T, false>, 1);
  });
}

}  // namespace secateur::kernels
