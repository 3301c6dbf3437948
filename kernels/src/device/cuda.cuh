// CUDA C++ itself: from the toolkit, or from the CPU executor of the tests.
#pragma once

#ifdef SECATEUR_SIMT
#include "simt/cuda.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#endif

#include <cstdint>

namespace secateur::kernels {

#ifdef SECATEUR_SIMT

using simt::DynamicShared;
using simt::Shared;

#else

// `__shared__ Shared<T, N> name;` is a raw array here, and shadowed memory in the executor. Bytes, because
// shared memory runs no constructors.
template <typename T, int N>
struct Shared {
  alignas(T) unsigned char bytes[N * sizeof(T)];
  template <typename I>
  __device__ __forceinline__ T& operator[](I index) {
    return reinterpret_cast<T*>(bytes)[index];
  }
  template <typename I>
  __device__ __forceinline__ T atomic_add(I index, T value) {
    return atomicAdd(&(*this)[index], value);
  }
};

// `count` elements of the block's dynamic shared memory, from `byte_offset` on.
template <typename T>
struct DynamicShared {
  __device__ __forceinline__ DynamicShared(std::int64_t byte_offset, std::int64_t /*count*/) {
    extern __shared__ __align__(16) unsigned char secateur_dynamic_shared[];
    values = reinterpret_cast<T*>(secateur_dynamic_shared + byte_offset);
  }
  template <typename I>
  __device__ __forceinline__ T& operator[](I index) const {
    return values[index];
  }
  // 16 bytes at once; `index` a multiple of 16 / sizeof(T).
  __device__ __forceinline__ uint4 load16(std::int64_t index) const {
    return *reinterpret_cast<const uint4*>(values + index);
  }
  __device__ __forceinline__ void store16(std::int64_t index, uint4 raw) const {
    *reinterpret_cast<uint4*>(values + index) = raw;
  }
  T* values;
};

#endif

constexpr int kWarpSize = 32;
constexpr unsigned kFullWarp = 0xFFFFFFFFU;

// Blocks are one-dimensional throughout, and so are grids.
__device__ __forceinline__ int thread_index() { return static_cast<int>(threadIdx.x); }
__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x) % kWarpSize; }
__device__ __forceinline__ int warp_index() { return static_cast<int>(threadIdx.x) / kWarpSize; }
__device__ __forceinline__ std::int64_t block_index() { return static_cast<std::int64_t>(blockIdx.x); }

}  // namespace secateur::kernels
