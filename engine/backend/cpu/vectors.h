// Vectors of floats (GCC's and Clang's), for loops that the compiler does not turn into good code by itself.
// All is inlined whatever the options: files for different processors may share this header.
#pragma once

#include <cstdint>

namespace secateur::cpu {

// One by one: GCC 12 takes the type for a plain float where the size depends on a template's parameter.
template <int lanes>
struct WideFloats;
template <>
struct WideFloats<8> {
  using Type = float __attribute__((vector_size(32)));
};
template <>
struct WideFloats<16> {
  using Type = float __attribute__((vector_size(64)));
};
template <int lanes>
using Floats = typename WideFloats<lanes>::Type;
static_assert(sizeof(Floats<8>) == 32 && sizeof(Floats<16>) == 64);

template <int lanes>
[[gnu::always_inline]] inline Floats<lanes> load(const float* from) {
  Floats<lanes> value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}

template <class V>
[[gnu::always_inline]] inline void store(float* to, const V& value) {
  __builtin_memcpy(to, &value, sizeof(value));
}

// Asks for the cache line of `to` as one that will be written. By name on x86: GCC's built-in function asks
// for a line that will be read, unless the file is compiled for the instruction. Where a processor lacks it,
// it does nothing.
[[gnu::always_inline]] inline void prefetch_to_write(float* to) {
#ifdef __x86_64__
  asm volatile("prefetchw %0" : : "m"(*to));
#else
  __builtin_prefetch(to, 1);
#endif
}

}  // namespace secateur::cpu
