#include <mutex>

#include "backend/cpu/cpu_kernels.h"
#include "backend/reference/reference_kernels.h"
#include "secateur/backend/kernel.h"
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

}  // namespace secateur
