#include <mutex>

#include "backend/cpu/cpu_kernels.h"
#include "backend/reference/reference_kernels.h"
#include "secateur/backend/kernel.h"

namespace secateur {

void register_builtin_kernels() {
  static std::once_flag once;
  std::call_once(once, [] {
    register_cpu_kernels();
    register_reference_kernels();
  });
}

}  // namespace secateur
