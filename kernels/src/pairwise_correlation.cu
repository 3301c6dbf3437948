#include "secateur/kernels/pairwise_correlation.h"

#include "device/checks.h"
#include "device/standardise.cuh"
#include "device/tensor_core.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr int kTile = 64;  // channels of a tile of the matrix
constexpr int kThreads = 256;
constexpr int kChunk = 32;  // positions in shared memory at once
constexpr int kStride =
    kTile + 8;  // of a row in shared memory: off the banks of the row before, and still 16-byte aligned
constexpr int kTileElements = kTile * kTile;
constexpr std::int64_t kWantedBlocks = 512;
constexpr int kSumThreads = 256;

// Tiles on and above the diagonal, numbered row by row.
std::int64_t pairs_of(std::int64_t channels) {
  const std::int64_t tiles = ceil_div(channels, kTile);
  return tiles * (tiles + 1) / 2;
}

// Images are shared among so many blocks that a small matrix still fills a GPU. Depends on the shape only.
std::int64_t splits_of(const MapShape& shape) {
  return greatest<std::int64_t>(least(kWantedBlocks / pairs_of(shape.channels), shape.images), 1);
}

struct TilePair {
  std::int64_t row;
  std::int64_t column;
};

__device__ __forceinline__ TilePair tile_pair(std::int64_t pair, std::int64_t tiles) {
  std::int64_t row = 0;
  while (pair >= tiles - row) {
    pair -= tiles - row;
    row += 1;
  }
  return {row, row + pair};
}

struct Maps {
  const float* mean;            // [images, channels]
  const float* inverse_length;  // 0 marks a constant map
  std::int64_t images;
  std::int64_t positions;
  std::int64_t channels;
  std::int64_t ld;
};

__device__ __forceinline__ float reduce_kind(float rho, CorrelationKind kind) {
  if (kind == CorrelationKind::absolute) return fabsf(rho);
  return kind == CorrelationKind::squared ? rho * rho : rho;
}

// The running thread's share of loading a chunk: always the same pack of channels, of several positions.
template <typename T, int kWidth>
class ChunkLoader {
 public:
  __device__ __forceinline__ ChunkLoader(const Maps& maps, const T* data, std::int64_t image,
                                         std::int64_t tile, float factor)
      : data_(data + image * maps.positions * maps.ld),
        ld_(maps.ld),
        channel_(tile * kTile + lane() * kWidth),
        valid_(maps.channels - channel_) {
    load_floats(maps.mean + image * maps.channels + channel_, valid_, mean_);
    load_floats(maps.inverse_length + image * maps.channels + channel_, valid_, scale_);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) scale_[i] *= factor;
  }

  // Standardised values of positions first .. first + kChunk - 1; zeros past the last position and channel.
  template <typename Element, int N>
  __device__ __forceinline__ void load(Shared<Element, N>& tile, std::int64_t first,
                                       std::int64_t positions) const {
    constexpr int kRowsAtOnce = kThreads / (kTile / kWidth);
#pragma unroll
    for (int row = 0; row < kChunk; row += kRowsAtOnce) {
      const int r = row + thread_index() / (kTile / kWidth);
      if (r >= kChunk) continue;
      float values[kWidth] = {};
      const bool present = first + r < positions && valid_ > 0;
      if (present) load_pack<T, kWidth>(data_ + (first + r) * ld_ + channel_, valid_, values);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float z = present && i < valid_ ? (values[i] - mean_[i]) * scale_[i] : 0.0F;
        tile[r * kStride + lane() * kWidth + i] = from_float<Element>(z);
      }
    }
  }

 private:
  static __device__ __forceinline__ int lane() { return thread_index() % (kTile / kWidth); }

  const T* data_;
  std::int64_t ld_;
  std::int64_t channel_;
  std::int64_t valid_;
  float mean_[kWidth];
  float scale_[kWidth];
};

// One block a pair of tiles and a share of the images; parts [splits, pairs, kTile, kTile].
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    correlation_kernel(float* parts, const T* data, Maps maps, CorrelationKind kind, std::int64_t tiles,
                       std::int64_t pairs, std::int64_t splits) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  constexpr int kEach = 4;  // rows and columns of a thread's square
  __shared__ Shared<float, kChunk * kStride> left;
  __shared__ Shared<float, kChunk * kStride> right;
  const TilePair pair = tile_pair(block_index() % pairs, tiles);
  const int row = thread_index() / (kTile / kEach) * kEach;
  const int column = thread_index() % (kTile / kEach) * kEach;
  float sum[kEach][kEach] = {};
  for (std::int64_t image = block_index() / pairs; image < maps.images; image += splits) {
    const ChunkLoader<T, kWidth> left_loader(maps, data, image, pair.row, 1.0F);
    const ChunkLoader<T, kWidth> right_loader(maps, data, image, pair.column, 1.0F);
    float rho[kEach][kEach] = {};
    for (std::int64_t first = 0; first < maps.positions; first += kChunk) {
      __syncthreads();
      left_loader.load(left, first, maps.positions);
      right_loader.load(right, first, maps.positions);
      __syncthreads();
#pragma unroll 8
      for (int t = 0; t < kChunk; ++t) {
        float a[kEach];
        float b[kEach];
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
          a[i] = left[t * kStride + row + i];
          b[i] = right[t * kStride + column + i];
        }
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
#pragma unroll
          for (int j = 0; j < kEach; ++j) rho[i][j] = fmaf(a[i], b[j], rho[i][j]);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
#pragma unroll
      for (int j = 0; j < kEach; ++j) sum[i][j] += reduce_kind(rho[i][j], kind);
    }
  }
  float* part = parts + block_index() * kTileElements;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
#pragma unroll
    for (int j = 0; j < kEach; ++j) part[(row + i) * kTile + column + j] = sum[i][j];
  }
}

// The same on tensor cores: 8 warps, each 16 rows and 32 columns of the pair of tiles.
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    correlation_tensor_core_kernel(float* parts, const T* data, Maps maps, CorrelationKind kind,
                                   std::int64_t tiles, std::int64_t pairs, std::int64_t splits) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  constexpr int kColumns = 2;  // fragments of a warp, side by side
  alignas(32) __shared__ Shared<Half, kChunk * kStride> left;
  alignas(32) __shared__ Shared<Half, kChunk * kStride> right;
  const TilePair pair = tile_pair(block_index() % pairs, tiles);
  const int row = warp_index() / 2 * kFragment;
  const int column = warp_index() % 2 * kColumns * kFragment;
  // Unit variance in place of unit length, so that fp16 keeps its full precision; undone in the sum.
  const float length = sqrtf(static_cast<float>(maps.positions));
  const float share = 1.0F / static_cast<float>(maps.positions);
  FragmentSum sum[kColumns];
#pragma unroll
  for (int c = 0; c < kColumns; ++c) wmma::fill_fragment(sum[c], 0.0F);
  for (std::int64_t image = block_index() / pairs; image < maps.images; image += splits) {
    const ChunkLoader<T, kWidth> left_loader(maps, data, image, pair.row, length);
    const ChunkLoader<T, kWidth> right_loader(maps, data, image, pair.column, length);
    FragmentSum rho[kColumns];
#pragma unroll
    for (int c = 0; c < kColumns; ++c) wmma::fill_fragment(rho[c], 0.0F);
    for (std::int64_t first = 0; first < maps.positions; first += kChunk) {
      __syncthreads();
      left_loader.load(left, first, maps.positions);
      right_loader.load(right, first, maps.positions);
      __syncthreads();
#pragma unroll
      for (int t = 0; t < kChunk; t += kFragment) {
        FragmentA a;
        load_fragment(a, left, t * kStride + row, kStride);
#pragma unroll
        for (int c = 0; c < kColumns; ++c) {
          FragmentB b;
          load_fragment(b, right, t * kStride + column + c * kFragment, kStride);
          wmma::mma_sync(rho[c], a, b, rho[c]);
        }
      }
    }
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
#pragma unroll
      for (int i = 0; i < rho[c].num_elements; ++i) sum[c].x[i] += reduce_kind(rho[c].x[i] * share, kind);
    }
  }
  float* part = parts + block_index() * kTileElements;
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    wmma::store_matrix_sync(part + row * kTile + column + c * kFragment, sum[c], kTile, wmma::mem_row_major);
  }
}

// Adds the shares of one pair of tiles to the matrix and its mirror image, and sets the diagonal.
__global__ void __launch_bounds__(kThreads)
    correlation_finish_kernel(float* matrix, double* constant_images, const float* parts, Maps maps,
                              std::int64_t tiles, std::int64_t pairs, std::int64_t splits) {
  const std::int64_t number = block_index();
  const TilePair pair = tile_pair(number, tiles);
  for (int element = thread_index(); element < kTileElements; element += kThreads) {
    const std::int64_t f = pair.row * kTile + element / kTile;
    const std::int64_t k = pair.column * kTile + element % kTile;
    if (k >= maps.channels || f > k) continue;
    float sum = 0.0F;
    if (f == k) {
      std::int64_t constant = 0;
      for (std::int64_t image = 0; image < maps.images; ++image) {
        const float inverse = maps.inverse_length[image * maps.channels + f];
        if (is_nan(inverse)) sum = inverse;
        sum += inverse != 0.0F ? 1.0F : 0.0F;
        constant += inverse == 0.0F ? 1 : 0;
      }
      if (constant_images != nullptr) constant_images[f] += static_cast<double>(constant);
    } else {
#pragma unroll 4
      for (std::int64_t split = 0; split < splits; ++split) {
        sum += parts[(split * pairs + number) * kTileElements + element];
      }
      matrix[k * maps.channels + f] += sum;
    }
    matrix[f * maps.channels + k] += sum;
  }
}

__global__ void __launch_bounds__(kSumThreads)
    correlation_row_sums_kernel(double* sums, const float* matrix, std::int64_t channels) {
  const std::int64_t f = block_index();
  double sum = 0.0;
  for (std::int64_t k = thread_index(); k < channels; k += kSumThreads) {
    if (k != f) sum += matrix[f * channels + k];
  }
  sum = block_reduce<kSumThreads>(sum, Sum{}, 0.0);
  if (thread_index() == 0) sums[f] += sum;
}

struct Outputs {
  float* matrix;
  double* constant_images;
  CorrelationKind kind;
  CorrelationArithmetic arithmetic;
};

template <typename T, bool kAligned>
Status run(const Outputs& out, const T* data, const MapShape& shape, float* workspace, StreamHandle stream) {
  const std::int64_t tiles = ceil_div(shape.channels, kTile);
  const std::int64_t pairs = pairs_of(shape.channels);
  const std::int64_t splits = splits_of(shape);
  // The parts come first: fragments are stored on 32-byte boundaries.
  float* parts = workspace;
  float* mean = parts + splits * pairs * kTileElements;
  float* inverse = mean + shape.images * shape.channels;
  const Maps maps{mean, inverse, shape.images, shape.positions, shape.channels, shape.ld};
  Status status = launch_standardise<T, kAligned>(mean, inverse, data, shape, stream);
  if (!status.ok()) return status;
  auto kernel = out.arithmetic == CorrelationArithmetic::tensor_core
                    ? &correlation_tensor_core_kernel<T, kAligned>
                    : &correlation_kernel<T, kAligned>;
  status = launch("pairwise_correlation", kernel, {splits * pairs, 1, 1}, kThreads, 0, stream, parts, data,
                  maps, out.kind, tiles, pairs, splits);
  if (!status.ok()) return status;
  return launch("pairwise_correlation", &correlation_finish_kernel, {pairs, 1, 1}, kThreads, 0, stream,
                out.matrix, out.constant_images, parts, maps, tiles, pairs, splits);
}

}  // namespace

std::int64_t pairwise_correlation_workspace(const MapShape& shape) {
  if (shape.images <= 0 || shape.positions <= 0 || shape.channels <= 0) return 0;
  return (2 * shape.images * shape.channels + splits_of(shape) * pairs_of(shape.channels) * kTileElements) *
         static_cast<std::int64_t>(sizeof(float));
}

Status pairwise_correlation(float* matrix, double* constant_images, const void* maps, const MapShape& shape,
                            CorrelationKind kind, CorrelationArithmetic arithmetic, void* workspace,
                            std::int64_t workspace_bytes, StreamHandle stream) {
  constexpr std::int64_t kMaxChannels = std::int64_t{1} << 20;
  Check check("pairwise_correlation");
  check_map_shape(check, "maps", maps, shape);
  check.that(shape.channels <= kMaxChannels, "more than 2^20 channels");
  if (check.failed()) return check.status();
  if (shape.images == 0 || shape.channels == 0) return Status::success();
  const std::int64_t needed = pairwise_correlation_workspace(shape);
  check.pointer("matrix", matrix).pointer("workspace", workspace).aligned("workspace", workspace, 32);
  check.that(workspace_bytes >= needed,
             "workspace has " + std::to_string(workspace_bytes) + " bytes, needs " + std::to_string(needed));
  if (check.failed()) return check.status();
  const Outputs out{matrix, constant_images, kind, arithmetic};
  auto* scratch = static_cast<float*>(workspace);
  return with_type(shape.type, [&]<typename T>() -> Status {
    const T* data = static_cast<const T*>(maps);
    return rows_aligned(maps, shape.ld, sizeof(T)) ? run<T, true>(out, data, shape, scratch, stream)
                                                   : run<T, false>(out, data, shape, scratch, stream);
  });
}

Status correlation_row_sums(double* sums, const float* matrix, std::int64_t channels, StreamHandle stream) {
  Check check("correlation_row_sums");
  check.size("channels", channels).product("matrix", channels, channels);
  if (channels > 0) check.pointer("sums", sums).pointer("matrix", matrix);
  if (check.failed()) return check.status();
  return launch("correlation_row_sums", &correlation_row_sums_kernel, {channels, 1, 1}, kSumThreads, 0,
                stream, sums, matrix, channels);
}

}  // namespace secateur::kernels
