// The kernels for the instructions that the whole build is for; eight lanes (AVX2 by default on x86).
#include "backend/cpu/winograd_kernels.inl"

namespace secateur::cpu {

const WinogradKernels* winograd_kernels_baseline() { return &kKernels; }

const WinogradKernels& winograd_kernels() {
  const WinogradKernels* wide = winograd_kernels_avx512();
  return wide != nullptr ? *wide : kKernels;
}

}  // namespace secateur::cpu
