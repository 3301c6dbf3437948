#include <mutex>

#include "backend/cpu/cpu_kernels.h"
#include "backend/reference/reference_kernels.h"
#include "secateur/backend/kernel.h"
#include "secateur/backend/open_device.h"
#include "secateur/core/error.h"
#ifdef SECATEUR_WITH_CUDA
#include "backend/cuda/cuda_kernels.h"
#endif

namespace secateur {

void register_builtin_kernels() {
  static std::once_flag once;
  std::call_once(once, [] {
    register_cpu_kernels();
    register_reference_kernels();
#ifdef SECATEUR_WITH_CUDA
    register_cuda_kernels();
#endif
  });
}

std::optional<std::string> why_no_precision(DeviceKind kind, Precision precision) {
  switch (kind) {
    case DeviceKind::cuda:
      return std::nullopt;
    case DeviceKind::reference:
      if (precision == Precision::fp64) return std::nullopt;
      return fmt::format("the reference device computes in fp64, {} was asked for", name_of(precision));
    case DeviceKind::cpu:
      break;
  }
  if (precision == Precision::fp32) return std::nullopt;
  if (precision != Precision::bf16) {
    return fmt::format("the CPU computes in fp32 or bf16, {} was asked for", name_of(precision));
  }
  if (cpu::computes_bf16()) return std::nullopt;
  return "this processor has no instructions for bf16 (AVX512_BF16 or AMX_BF16)";
}

}  // namespace secateur
