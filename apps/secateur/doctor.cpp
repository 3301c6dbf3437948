// secateur doctor: what was found on this machine, and what its absence costs.
#include <H5public.h>
#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <oneapi/dnnl/dnnl.hpp>

#include "secateur/backend/gpu_description.h"
#include "secateur/commands.h"
#include "secateur/core/device.h"
#include "secateur/core/version.h"
#include "secateur/dist/launch.h"
#include "secateur/process.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

std::string instruction_sets() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (!line.starts_with("flags")) continue;
    std::string found;
    for (const char* set : {"avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"}) {
      if (line.find(fmt::format(" {} ", set)) != std::string::npos || line.ends_with(set)) {
        found += (found.empty() ? "" : ", ") + std::string(set);
      }
    }
    return found.empty() ? "no AVX2" : found;
  }
  return "unknown";
}

std::string system_name() {
  std::ifstream release("/etc/os-release");
  std::string line;
  while (std::getline(release, line)) {
    if (line.starts_with("PRETTY_NAME=")) return line.substr(13, line.size() - 14);
  }
  return "unknown system";
}

std::string version_line(const std::string& program) {
  const auto output = output_of({program, "--version"});
  return output ? first_line(*output) : "not found";
}

std::string cuda_toolkit() {
  for (const char* program : {"nvcc", "/usr/local/cuda/bin/nvcc"}) {
    const auto output = output_of({program, "--version"});
    if (!output) continue;
    const std::size_t release = output->find("release ");
    return release == std::string::npos ? "found" : first_line(output->substr(release));
  }
  return "not found: the CUDA back end cannot be built here";
}

std::string gpu() {
  const auto output = output_of(
      {"nvidia-smi", "--query-gpu=name,memory.total,driver_version,compute_cap", "--format=csv,noheader"});
  return output && !output->empty() ? first_line(*output)
                                    : "none visible: everything runs on the CPU back end";
}

std::string mpi() {
  const auto version = mpi_version();
  if (!version) return "not in this build: several processes are started with RANK and WORLD_SIZE";
  return fmt::format("{}; {}", version->substr(0, version->find(',')), version_line("mpirun"));
}

}  // namespace

int run_doctor() {
  const BuildInfo& build = build_info();
  const dnnl_version_t* onednn = dnnl_version();
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  const auto cpu = make_host_device(DeviceKind::cpu);
  const char* data = std::getenv("SECATEUR_DATA");
  const auto pages = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);

  const std::vector<std::vector<std::string>> rows{
      {"secateur", fmt::format("{} ({}, {})", build.version, build.commit, build.build_type)},
      {"system", system_name()},
      {"processor",
       fmt::format("{}, {} threads, {}", cpu->description(), omp_get_max_threads(), instruction_sets())},
      {"memory", bytes_text(pages)},
      {"compiler", fmt::format("{}, built for {}", build.compiler,
                               build.cpu_baseline.empty() ? "the compiler's default" : build.cpu_baseline)},
      {"cmake, ninja, ccache",
       fmt::format("{}; ninja {}; {}", version_line("cmake"), version_line("ninja"), version_line("ccache"))},
      {"oneDNN", fmt::format("{}.{}.{}", onednn->major, onednn->minor, onednn->patch)},
      {"HDF5", fmt::format("{}.{}.{}", major, minor, release)},
      {"CUDA in this build", build.cuda ? fmt::format("{}, cuDNN {}, sm {}", build.cuda_version,
                                                      build.cudnn_version, build.cuda_architectures)
                                        : "no (the cpu preset)"},
      {"CUDA toolkit", cuda_toolkit()},
      {"GPU", gpu()},
      {"data", data != nullptr ? fmt::format("SECATEUR_DATA={}{}", data,
                                             std::filesystem::is_directory(data) ? "" : " (no such folder)")
                               : "SECATEUR_DATA is not set: --data-dir, or the built-in synthetic set"},
      {"rsvg-convert (optional)", version_line("rsvg-convert")},
      {"MPI (optional)", mpi()},
      {"NCCL (optional)", build.nccl_version.empty()
                              ? "not in this build: several GPUs train by way of the host"
                              : std::string(build.nccl_version)},
  };
  std::size_t widest = 0;
  for (const auto& row : rows) widest = std::max(widest, row[0].size());
  for (const auto& row : rows) fmt::print("  {:<{}}  {}\n", row[0], widest, row[1]);
  return 0;
}

int run_describe_gpu() {
  fmt::print("{}\n", describe_present_gpu(0));
  return 0;
}

}  // namespace secateur::app
