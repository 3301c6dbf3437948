#include "secateur/kernels/redundancy.h"

#include "device/checks.h"
#include "device/map_source.cuh"
#include "device/standardise.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr std::int64_t kMaxTileRows = 1024;
constexpr std::int64_t kMinTileRows = 32;
constexpr std::int64_t kTileBytes =
    64 * 1024;                   // what a block reads twice: small enough to stay in the nearest caches
constexpr int kFinishLanes = 8;  // channels of a block of the last stage: 32 bytes of partial sums
constexpr int kFinishThreads = 1024;

// Rows of an image that one block takes when the image does not fit on chip. Depends on the shape only, so
// that results do not vary with the device.
std::int64_t tile_rows_of(const MapShape& shape) {
  const std::int64_t row_bytes = greatest<std::int64_t>(shape.channels * size_of(shape.type), 1);
  return least(kMaxTileRows, greatest(kMinTileRows, kTileBytes / row_bytes));
}

// Scratch, in floats: mean and inverse length of every map, and each tile's part of the dot products.
struct Workspace {
  float* mean = nullptr;            // [images, channels]
  float* inverse_length = nullptr;  // [images, channels]; 0 marks a constant map
  float* partial = nullptr;         // [images, tiles, channels]
};

// s[t] = sum over channels of z[t, c] for rows 0 .. rows-1, into shared memory. Groups of `lanes` threads (a
// power of two up to the warp) take kRowsEach rows at once, so that a channel's mean and length are fetched
// once for them.
template <int kWidth, typename Map, typename Sums>
__device__ __forceinline__ void sum_standardised_rows(const Map& map, std::int64_t rows,
                                                      std::int64_t channels, const float* mean,
                                                      const float* inverse_length, int lanes, Sums& sums) {
  constexpr int kRowsEach = 4;
  const int lane = thread_index() % lanes;
  const int groups = kTileThreads / lanes;
  const int group = thread_index() / lanes;
  for (std::int64_t first = 0; first < rows; first += groups * kRowsEach) {
    float total[kRowsEach] = {};
    for (std::int64_t channel = lane * kWidth; channel < channels; channel += lanes * kWidth) {
      float means[kWidth];
      float inverses[kWidth];
      load_floats(mean + channel, channels - channel, means);
      load_floats(inverse_length + channel, channels - channel, inverses);
#pragma unroll
      for (int r = 0; r < kRowsEach; ++r) {
        const std::int64_t row = first + r * groups + group;
        if (row >= rows) continue;
        float values[kWidth];
        map.load(row, channel, channels - channel, values);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) total[r] += (values[i] - means[i]) * inverses[i];
      }
    }
#pragma unroll
    for (int r = 0; r < kRowsEach; ++r) {
      const std::int64_t row = first + r * groups + group;
      const float sum = group_sum(total[r], lanes);
      if (lane == 0 && row < rows) sums[row] = sum;
    }
  }
}

// out[c] = z[., c] . s over rows 0 .. rows-1.
template <int kWidth, typename Map, typename Sums>
__device__ __forceinline__ void dot_with_sums(const Map& map, std::int64_t rows, std::int64_t channels,
                                              const float* mean, const float* inverse_length, int lanes,
                                              Sums& sums, float* out) {
  const int rows_at_once = kTileThreads / lanes;
  for (std::int64_t base = 0; base < channels; base += lanes * kWidth) {
    const std::int64_t channel = base + thread_index() % lanes * kWidth;
    const std::int64_t valid = channels - channel;
    float means[kWidth];
    float dot[kWidth] = {};
    load_floats(mean + channel, valid, means);
    if (valid > 0) {
#pragma unroll 4
      for (std::int64_t row = thread_index() / lanes; row < rows; row += rows_at_once) {
        float values[kWidth];
        map.load(row, channel, valid, values);
        const float sum = sums[row];
#pragma unroll
        for (int i = 0; i < kWidth; ++i) dot[i] += (values[i] - means[i]) * sum;
      }
    }
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      const float total = column_reduce<kTileThreads>(dot[i], lanes, Sum{});
      if (thread_index() < lanes && i < valid) out[channel + i] = total * inverse_length[channel + i];
    }
  }
}

int lanes_for(std::int64_t packs, int most) {
  int lanes = 1;
  while (lanes < most && lanes < packs) lanes *= 2;
  return lanes;
}

// One block an image, which it reads once, into shared memory.
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    redundancy_on_chip_kernel(Workspace workspace, const T* maps, std::int64_t positions,
                              std::int64_t channels, std::int64_t ld, int lanes, int row_lanes) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const std::int64_t image = block_index();
  const std::int64_t stride = ceil_div(channels, kWidth) * kWidth;
  const std::int64_t elements = positions * stride;
  const SharedMap<T, kWidth> map{DynamicShared<T>(0, elements), stride};
  const std::int64_t map_bytes = ceil_div(elements * sizeof(T), 16) * 16;
  const DynamicShared<float> sums(map_bytes, positions);

  const std::int64_t packs_a_row = stride / kWidth;
  const T* source = maps + image * positions * ld;
#pragma unroll 4
  for (std::int64_t pack = thread_index(); pack < positions * packs_a_row; pack += kTileThreads) {
    const std::int64_t row = pack / packs_a_row;
    const std::int64_t channel = pack % packs_a_row * kWidth;
    copy_pack<T, kWidth>(map.data, row * stride + channel, source + row * ld + channel, channels - channel);
  }
  __syncthreads();

  float* mean = workspace.mean + image * channels;
  float* inverse = workspace.inverse_length + image * channels;
  for (std::int64_t base = 0; base < channels; base += lanes * kWidth) {
    const std::int64_t channel = base + thread_index() % lanes * kWidth;
    standardise<kWidth>(map, positions, channel, channels - channel, lanes, mean, inverse);
  }
  __syncthreads();  // mean and inverse length are read back by other threads of the block
  sum_standardised_rows<kWidth>(map, positions, channels, mean, inverse, row_lanes, sums);
  __syncthreads();
  dot_with_sums<kWidth>(map, positions, channels, mean, inverse, lanes, sums,
                        workspace.partial + image * channels);
}

// One block a tile of rows, after standardise_kernel: the tile is read for its row sums, and again, from
// cache, for the dot products.
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    redundancy_tile_kernel(Workspace workspace, const T* maps, std::int64_t positions, std::int64_t channels,
                           std::int64_t ld, std::int64_t tile_rows, int lanes, int row_lanes) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  __shared__ Shared<float, kMaxTileRows> sums;
  const std::int64_t tiles = ceil_div(positions, tile_rows);
  const std::int64_t image = block_index() / tiles;
  const std::int64_t first_row = block_index() % tiles * tile_rows;
  const std::int64_t rows = least(tile_rows, positions - first_row);
  const GlobalMap<T, kWidth> map{maps + (image * positions + first_row) * ld, ld};
  const float* mean = workspace.mean + image * channels;
  const float* inverse = workspace.inverse_length + image * channels;
  sum_standardised_rows<kWidth>(map, rows, channels, mean, inverse, row_lanes, sums);
  __syncthreads();
  dot_with_sums<kWidth>(map, rows, channels, mean, inverse, lanes, sums,
                        workspace.partial + block_index() * channels);
}

// Adds all tiles and images of a channel, in fp64, and takes away rho(f, f) = 1 of every map that is not
// constant.
__global__ void __launch_bounds__(kFinishThreads)
    redundancy_finish_kernel(double* redundancy_sum, double* constant_images, Workspace workspace,
                             std::int64_t images, std::int64_t tiles, std::int64_t channels) {
  const std::int64_t channel = block_index() * kFinishLanes + thread_index() % kFinishLanes;
  double sum = 0.0;
  double constant = 0.0;
  if (channel < channels) {
    constexpr int kSlices = kFinishThreads / kFinishLanes;
    const int slice = thread_index() / kFinishLanes;
#pragma unroll 4
    for (std::int64_t part = slice; part < images * tiles; part += kSlices) {
      sum += workspace.partial[part * channels + channel];
    }
    for (std::int64_t image = slice; image < images; image += kSlices) {
      const bool is_constant = workspace.inverse_length[image * channels + channel] == 0.0F;
      constant += is_constant ? 1.0 : 0.0;
      sum -= is_constant ? 0.0 : 1.0;
    }
  }
  sum = column_reduce<kFinishThreads>(sum, kFinishLanes, Sum{});
  constant = column_reduce<kFinishThreads>(constant, kFinishLanes, Sum{});
  if (thread_index() >= kFinishLanes || channel >= channels) return;
  // The sum over no other channel is zero exactly, which rounding would miss.
  redundancy_sum[channel] += channels == 1 && !is_nan(static_cast<float>(sum)) ? 0.0 : sum;
  constant_images[channel] += constant;
}

template <typename T, bool kAligned>
Status run(double* redundancy_sum, double* constant_images, const T* maps, const MapShape& shape,
           const Workspace& workspace, StreamHandle stream) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  DeviceLimits limits;
  Status status = device_limits(limits);
  if (!status.ok()) return status;
  const std::int64_t packs = ceil_div(shape.channels, kWidth);
  const int lanes = lanes_for(packs, kTileThreads);
  const int row_lanes = lanes_for(packs, kWarpSize);
  const std::int64_t map_bytes = ceil_div(shape.positions * packs * kWidth * sizeof(T), 16) * 16;
  const std::int64_t shared_bytes = map_bytes + shape.positions * sizeof(float);
  std::int64_t tiles = 1;
  // The static shared memory of the reductions comes on top.
  constexpr std::int64_t kReserved = 8 * 1024;
  if (shared_bytes + kReserved <= limits.shared_bytes) {
    status = launch("redundancy", &redundancy_on_chip_kernel<T, kAligned>, {shape.images, 1, 1}, kTileThreads,
                    shared_bytes, stream, workspace, maps, shape.positions, shape.channels, shape.ld, lanes,
                    row_lanes);
  } else {
    status = launch_standardise<T, kAligned>(workspace.mean, workspace.inverse_length, maps, shape, stream);
    if (!status.ok()) return status;
    const std::int64_t tile_rows = tile_rows_of(shape);
    tiles = ceil_div(shape.positions, tile_rows);
    status = launch("redundancy", &redundancy_tile_kernel<T, kAligned>, {shape.images * tiles, 1, 1},
                    kTileThreads, 0, stream, workspace, maps, shape.positions, shape.channels, shape.ld,
                    tile_rows, lanes, row_lanes);
  }
  if (!status.ok()) return status;
  return launch("redundancy", &redundancy_finish_kernel, {ceil_div(shape.channels, kFinishLanes), 1, 1},
                kFinishThreads, 0, stream, redundancy_sum, constant_images, workspace, shape.images, tiles,
                shape.channels);
}

}  // namespace

std::int64_t redundancy_workspace(const MapShape& shape) {
  if (shape.images <= 0 || shape.positions <= 0 || shape.channels <= 0) return 0;
  const std::int64_t tiles = ceil_div(shape.positions, tile_rows_of(shape));
  return shape.images * shape.channels * (2 + tiles) * static_cast<std::int64_t>(sizeof(float));
}

Status redundancy(double* redundancy_sum, double* constant_images, const void* maps, const MapShape& shape,
                  void* workspace, std::int64_t workspace_bytes, StreamHandle stream) {
  Check check("redundancy");
  check_map_shape(check, "maps", maps, shape);
  if (check.failed()) return check.status();
  if (shape.images == 0 || shape.channels == 0) return Status::success();
  const std::int64_t needed = redundancy_workspace(shape);
  check.pointer("redundancy_sum", redundancy_sum).pointer("constant_images", constant_images);
  check.pointer("workspace", workspace).aligned("workspace", workspace, sizeof(float));
  check.that(workspace_bytes >= needed,
             "workspace has " + std::to_string(workspace_bytes) + " bytes, needs " + std::to_string(needed));
  if (check.failed()) return check.status();
  Workspace parts;
  parts.mean = static_cast<float*>(workspace);
  parts.inverse_length = parts.mean + shape.images * shape.channels;
  parts.partial = parts.inverse_length + shape.images * shape.channels;
  return with_type(shape.type, [&]<typename T>() -> Status {
    const T* data = static_cast<const T*>(maps);
    return rows_aligned(maps, shape.ld, sizeof(T))
               ? run<T, true>(redundancy_sum, constant_images, data, shape, parts, stream)
               : run<T, false>(redundancy_sum, constant_images, data, shape, parts, stream);
  });
}

}  // namespace secateur::kernels
