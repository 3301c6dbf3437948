// Reductions over a warp and a block, always in the same order: results repeat bit for bit.
#pragma once

#include "numeric.cuh"

namespace secateur::kernels {

struct Sum {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

// A maximum that keeps a NaN, which fmaxf would drop.
struct MaxOrNan {
  __device__ __forceinline__ float operator()(float a, float b) const { return a > b || is_nan(a) ? a : b; }
};

// Every lane gets the result.
template <typename T, typename Combine>
__device__ __forceinline__ T warp_reduce(T value, Combine combine) {
#pragma unroll
  for (unsigned distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value = combine(value, __shfl_xor_sync(kFullWarp, value, distance));
  }
  return value;
}

// Every thread gets the result. The block has kThreads threads, a multiple of the warp.
template <int kThreads, typename T, typename Combine>
__device__ __forceinline__ T block_reduce(T value, Combine combine, T identity) {
  static_assert(kThreads % kWarpSize == 0 && kThreads <= 1024);
  constexpr int kWarps = kThreads / kWarpSize;
  __shared__ Shared<T, kWarps> partial;
  const int lane = lane_index();
  value = warp_reduce(value, combine);
  __syncthreads();  // a former call's results may still be being read
  if (lane == 0) partial[warp_index()] = value;
  __syncthreads();
  value = identity;
  if (lane < kWarps) value = partial[lane];
  return warp_reduce(value, combine);
}

// Reduces over threads whose index is equal modulo `lanes` (a power of two); the block has kThreads threads.
// The result is valid in threads 0 .. lanes - 1.
template <int kThreads, typename T, typename Combine>
__device__ __forceinline__ T column_reduce(T value, int lanes, Combine combine) {
  __shared__ Shared<T, kThreads> buffer;
  const int thread = thread_index();
  buffer[thread] = value;  // a former call ended with a barrier, or read nothing
  __syncthreads();
  for (int distance = kThreads / 2; distance >= lanes; distance /= 2) {
    if (thread < distance) {
      const T other = buffer[thread + distance];
      value = combine(value, other);
      buffer[thread] = value;
    }
    __syncthreads();
  }
  return value;
}

// Sums over groups of `lanes` neighbouring lanes of a warp (a power of two up to 32); every lane gets its
// group's sum.
__device__ __forceinline__ float group_sum(float value, int lanes) {
  for (int distance = lanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kFullWarp, value, static_cast<unsigned>(distance));
  }
  return value;
}

}  // namespace secateur::kernels
