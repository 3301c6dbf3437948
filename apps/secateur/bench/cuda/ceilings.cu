#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

#include "secateur/bench/cuda/device.h"

namespace secateur::bench {
namespace {

constexpr int kThreads = 256;
constexpr unsigned kCopyBlocks = 4096;

// The host's filling (host_array.cpp), so that both measure the same values.
template <class T>
__global__ void fill_kernel(T* values, std::int64_t count, std::uint32_t seed) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(kThreads) + threadIdx.x; i < count;
       i += stride) {
    std::uint32_t h = static_cast<std::uint32_t>(i) + seed * 0x9E3779B9U;
    h = (h ^ (h >> 16)) * 0x85EBCA6BU;
    h = (h ^ (h >> 13)) * 0xC2B2AE35U;
    h ^= h >> 16;
    values[i] = static_cast<T>(static_cast<float>(h >> 8) * 0x1p-23F - 1.0F);
  }
}

__global__ void copy_kernel(uint4* b, const uint4* a, std::int64_t count) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(kThreads) + threadIdx.x; i < count;
       i += stride) {
    b[i] = a[i];
  }
}

__global__ void triad_kernel(float4* c, const float4* a, const float4* b, std::int64_t count) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(kThreads) + threadIdx.x; i < count;
       i += stride) {
    const float4 x = a[i];
    const float4 y = b[i];
    c[i] = make_float4(x.x + 1.5F * y.x, x.y + 1.5F * y.y, x.z + 1.5F * y.z, x.w + 1.5F * y.w);
  }
}

constexpr int kRounds = 4096;
constexpr int kChains = 16;  // of a thread: more than the latency of a multiply-add

__global__ void __launch_bounds__(kThreads) fma_kernel(float* sink) {
  float chain[kChains];
#pragma unroll
  for (int i = 0; i < kChains; ++i) chain[i] = 0.001F * static_cast<float>(threadIdx.x + i);
  for (int round = 0; round < kRounds; ++round) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) chain[i] = fmaf(chain[i], 0.999F, 0.0005F);
  }
  float total = 0.0F;
#pragma unroll
  for (int i = 0; i < kChains; ++i) total += chain[i];
  if (threadIdx.x == 0) sink[blockIdx.x] = total;
}

constexpr int kSums = 8;  // independent products of a warp

__global__ void __launch_bounds__(kThreads) matrix_kernel(float* sink) {
  namespace wmma = nvcuda::wmma;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> a;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::col_major> b;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum[kSums];
  // Not a constant, which the compiler could compute with, and not zero, which takes less power.
  wmma::fill_fragment(a, __float2half(0.01F * static_cast<float>(blockIdx.x % 7 + 1)));
  wmma::fill_fragment(b, __float2half(0.02F * static_cast<float>(blockIdx.x % 5 + 1)));
#pragma unroll
  for (int i = 0; i < kSums; ++i) wmma::fill_fragment(sum[i], static_cast<float>(i));
  for (int round = 0; round < kRounds; ++round) {
#pragma unroll
    for (int i = 0; i < kSums; ++i) wmma::mma_sync(sum[i], a, b, sum[i]);
  }
  float total = 0.0F;
#pragma unroll
  for (int i = 0; i < kSums; ++i) total += sum[i].x[0];
  if (threadIdx.x == 0) sink[blockIdx.x] = total;
}

}  // namespace

void fill_random(void* values, kernels::DType type, std::int64_t count, std::uint32_t seed,
                 cudaStream_t stream) {
  if (type == kernels::DType::f32) {
    fill_kernel<<<kCopyBlocks, kThreads, 0, stream>>>(static_cast<float*>(values), count, seed);
  } else if (type == kernels::DType::f16) {
    fill_kernel<<<kCopyBlocks, kThreads, 0, stream>>>(static_cast<__half*>(values), count, seed);
  } else {
    fill_kernel<<<kCopyBlocks, kThreads, 0, stream>>>(static_cast<__nv_bfloat16*>(values), count, seed);
  }
  check_cuda(cudaGetLastError(), "filling memory");
}

void copy_bytes(void* b, const void* a, std::int64_t bytes, cudaStream_t stream) {
  copy_kernel<<<kCopyBlocks, kThreads, 0, stream>>>(static_cast<uint4*>(b), static_cast<const uint4*>(a),
                                                    bytes / 16);
  check_cuda(cudaGetLastError(), "the copy");
}

void triad(float* c, const float* a, const float* b, std::int64_t count, cudaStream_t stream) {
  triad_kernel<<<kCopyBlocks, kThreads, 0, stream>>>(reinterpret_cast<float4*>(c),
                                                     reinterpret_cast<const float4*>(a),
                                                     reinterpret_cast<const float4*>(b), count / 4);
  check_cuda(cudaGetLastError(), "the triad");
}

double multiply_adds(float* sink, int multiprocessors, cudaStream_t stream) {
  const int blocks = kCeilingBlocksPerMultiprocessor * multiprocessors;
  fma_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(sink);
  check_cuda(cudaGetLastError(), "the multiply-adds");
  return 2.0 * kRounds * kChains * kThreads * blocks;
}

double matrix_multiply_adds(float* sink, int multiprocessors, cudaStream_t stream) {
  const int blocks = kCeilingBlocksPerMultiprocessor * multiprocessors;
  matrix_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(sink);
  check_cuda(cudaGetLastError(), "the matrix products");
  constexpr double kOperations = 2.0 * 16 * 16 * 16;
  return kOperations * kRounds * kSums * (kThreads / 32) * blocks;
}

}  // namespace secateur::bench
