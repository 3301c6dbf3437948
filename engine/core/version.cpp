#include "secateur/core/version.h"

#include "build_config.h"
#include "commit.h"

namespace secateur {

const BuildInfo& build_info() {
  static constexpr BuildInfo kInfo{
      .version = SECATEUR_VERSION,
      .commit = SECATEUR_COMMIT,
      .compiler = SECATEUR_COMPILER,
      .build_type = SECATEUR_BUILD_TYPE,
      .cpu_baseline = SECATEUR_MARCH,
      .cuda = SECATEUR_CUDA_ENABLED != 0,
      .cuda_version = SECATEUR_CUDA_VERSION,
      .cudnn_version = SECATEUR_CUDNN_VERSION,
      .nccl_version = SECATEUR_NCCL_VERSION,
      .cuda_architectures = SECATEUR_CUDA_ARCHITECTURES,
  };
  return kInfo;
}

}  // namespace secateur
