// Element types and their arithmetic: everything is computed in fp32 and stored rounded to nearest even.
#pragma once

#include <type_traits>

#include "cuda.cuh"
#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

#ifdef SECATEUR_SIMT

using Half = simt::Half;
using Bfloat = simt::Bfloat;

inline float to_float(float value) { return value; }
inline float to_float(Half value) { return simt::half_bits_to_float(value.bits); }
inline float to_float(Bfloat value) { return simt::bfloat_bits_to_float(value.bits); }

template <typename T>
T from_float(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else if constexpr (std::is_same_v<T, Half>) {
    return Half{simt::float_to_half_bits(value)};
  } else {
    return Bfloat{simt::float_to_bfloat_bits(value)};
  }
}

#else

using Half = __half;
using Bfloat = __nv_bfloat16;

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(Half value) { return __half2float(value); }
__device__ __forceinline__ float to_float(Bfloat value) { return __bfloat162float(value); }

template <typename T>
__device__ __forceinline__ T from_float(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else if constexpr (std::is_same_v<T, Half>) {
    return __float2half_rn(value);
  } else {
    return __float2bfloat16_rn(value);
  }
}

#endif

template <typename T>
__host__ __device__ __forceinline__ constexpr T least(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
__host__ __device__ __forceinline__ constexpr T greatest(T a, T b) {
  return a < b ? b : a;
}

__device__ __forceinline__ bool is_nan(float value) { return !(value == value); }
__device__ __forceinline__ bool is_finite(float value) { return value - value == 0.0F; }
__device__ __forceinline__ float not_a_number() { return nanf(""); }

[[nodiscard]] __host__ __device__ __forceinline__ constexpr std::int64_t ceil_div(std::int64_t a,
                                                                                  std::int64_t b) {
  return (a + b - 1) / b;
}

// Calls function.template operator()<T>() with the element type.
template <typename Function>
Status with_type(DType type, Function&& function) {
  switch (type) {
    case DType::f32:
      return function.template operator()<float>();
    case DType::f16:
      return function.template operator()<Half>();
    case DType::bf16:
      return function.template operator()<Bfloat>();
  }
  return Status::invalid("element type " + std::to_string(static_cast<int>(type)) +
                         " is none of f32, f16, bf16");
}

}  // namespace secateur::kernels
