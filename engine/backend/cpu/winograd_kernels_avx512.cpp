// The kernels for sixteen lanes; CMake gives this file alone the flags for them, where the compiler has any.
#include "backend/cpu/winograd_kernels.h"

#ifdef __AVX512F__
#include "backend/cpu/winograd_kernels.inl"
#endif

namespace secateur::cpu {

const WinogradKernels* winograd_kernels_avx512() {
#ifdef __AVX512F__
  return __builtin_cpu_supports("avx512f") != 0 ? &kKernels : nullptr;
#else
  return nullptr;
#endif
}

}  // namespace secateur::cpu
