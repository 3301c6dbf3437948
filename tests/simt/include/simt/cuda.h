// The part of CUDA C++ that the kernels use, for the host compiler: included by the kernels' sources in place
// of the toolkit's headers when SECATEUR_SIMT is defined.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

#include "simt/executor.h"
#include "simt/half.h"
#include "simt/shared.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
// Blocks run one after the other, so that one copy of static shared memory serves them all.
#define __shared__ static

#define threadIdx (::secateur::simt::current_position->thread)
#define blockIdx (::secateur::simt::current_position->block)
#define blockDim (::secateur::simt::current_position->block_size)
#define gridDim (::secateur::simt::current_position->grid_size)

// The names are CUDA's own.
// NOLINTBEGIN(readability-identifier-naming)
inline void __syncthreads(std::source_location where = std::source_location::current()) {
  secateur::simt::block_barrier(where);
}

inline void __syncwarp(unsigned mask = 0xFFFFFFFFU,
                       std::source_location where = std::source_location::current()) {
  secateur::simt::warp_barrier(mask, where);
}

namespace secateur::simt {

template <typename T>
std::uint64_t to_bits(T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <typename T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

inline void check_aligned(const void* address, std::size_t alignment, std::source_location where) {
  if (reinterpret_cast<std::uintptr_t>(address) % alignment != 0) fail("misaligned vector access", where);
}

}  // namespace secateur::simt

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, unsigned lane_mask, int width = 32,
                  std::source_location where = std::source_location::current()) {
  namespace simt = secateur::simt;
  const std::uint64_t* values = simt::warp_exchange("shfl_xor", mask, simt::to_bits(value), where);
  const unsigned lane = simt::lane_index();
  const unsigned source = lane ^ lane_mask;
  // A source outside the lane's segment of `width` leaves the value unchanged.
  return simt::from_bits<T>(
      values[source / static_cast<unsigned>(width) > lane / static_cast<unsigned>(width) ? lane : source]);
}

template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   std::source_location where = std::source_location::current()) {
  namespace simt = secateur::simt;
  const std::uint64_t* values = simt::warp_exchange("shfl_down", mask, simt::to_bits(value), where);
  const unsigned lane = simt::lane_index();
  const unsigned segment = static_cast<unsigned>(width);
  return simt::from_bits<T>(values[lane % segment + delta < segment ? lane + delta : lane]);
}

template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 std::source_location where = std::source_location::current()) {
  namespace simt = secateur::simt;
  const std::uint64_t* values = simt::warp_exchange("shfl_up", mask, simt::to_bits(value), where);
  const unsigned lane = simt::lane_index();
  return simt::from_bits<T>(values[lane % static_cast<unsigned>(width) >= delta ? lane - delta : lane]);
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              std::source_location where = std::source_location::current()) {
  namespace simt = secateur::simt;
  const std::uint64_t* values = simt::warp_exchange("shfl", mask, simt::to_bits(value), where);
  const unsigned segment = static_cast<unsigned>(width);
  const unsigned first = simt::lane_index() / segment * segment;
  return simt::from_bits<T>(values[first + static_cast<unsigned>(source) % segment]);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              std::source_location where = std::source_location::current()) {
  const std::uint64_t* values =
      secateur::simt::warp_exchange("ballot", mask, predicate != 0 ? 1U : 0U, where);
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1U) != 0 && values[lane] != 0) ballot |= 1U << lane;
  }
  return ballot;
}

inline int __any_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return __ballot_sync(mask, predicate, where) != 0 ? 1 : 0;
}

inline int __all_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return __ballot_sync(mask, predicate, where) == mask ? 1 : 0;
}

template <typename T>
T __reduce_add_sync(unsigned mask, T value, std::source_location where = std::source_location::current()) {
  namespace simt = secateur::simt;
  static_assert(std::is_same_v<T, unsigned> || std::is_same_v<T, int>);
  const std::uint64_t* values = simt::warp_exchange("reduce_add", mask, simt::to_bits(value), where);
  unsigned sum = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1U) != 0) sum += simt::from_bits<unsigned>(values[lane]);
  }
  return static_cast<T>(sum);
}

// Threads run one at a time between barriers, so that a plain update is atomic here.
template <typename T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  const T before = *address;
  *address = static_cast<T>(before + value);
  return before;
}

template <typename T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  const T before = *address;
  if (value > before) *address = value;
  return before;
}

inline int __popc(unsigned value) { return std::popcount(value); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<std::uint64_t>(a) * b) >> 32);
}
inline void __threadfence() {}
// NOLINTEND(readability-identifier-naming)
