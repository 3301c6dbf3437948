// What this build of Secateur is: stored in checkpoints and printed by `secateur version` and `secateur
// doctor`.
#pragma once

#include <string_view>

namespace secateur {

struct BuildInfo {
  std::string_view version;  // semantic version of the project, "0.1.0"
  std::string_view
      commit;  // twelve digits, "-modified" appended for a tree with changes; "unknown" outside git
  std::string_view compiler;            // "GNU 12.2.0"
  std::string_view build_type;          // "RelWithDebInfo", "Release", "Debug"
  std::string_view cpu_baseline;        // what -march= was given, "" for the compiler's own default
  bool cuda;                            // whether the CUDA back end was compiled in
  std::string_view cuda_version;        // of the toolkit, "" without CUDA
  std::string_view cudnn_version;       // of the headers, "" without CUDA
  std::string_view nccl_version;        // of the headers, "" without NCCL
  std::string_view cuda_architectures;  // as given to CMake, separated by spaces, "" without CUDA
};

[[nodiscard]] const BuildInfo& build_info();

}  // namespace secateur
