// The one launcher: every kernel of the library starts here, in place of a bare <<<>>>, so that there is one
// place for checks and stream order, and so that the same sources run under the CPU executor of the tests
// (SECATEUR_SIMT). For .cu sources: needs the CUDA runtime unless SECATEUR_SIMT is defined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

#ifdef SECATEUR_SIMT
#include "simt/executor.h"
#include "simt/stream.h"
#else
#include <cuda_runtime_api.h>
#endif

namespace secateur::kernels {

// Blocks of a launch. Larger than int on purpose: the launcher refuses what the hardware cannot index.
struct Grid {
  std::int64_t x = 1;
  std::int64_t y = 1;
  std::int64_t z = 1;
};

struct DeviceLimits {
  int multiprocessors = 0;
  std::int64_t shared_bytes = 0;  // dynamic shared memory that one block may ask for
};

#ifdef SECATEUR_SIMT

[[nodiscard]] inline Status device_limits(DeviceLimits& limits) {
  limits.multiprocessors = simt::options().multiprocessors;
  limits.shared_bytes = simt::options().shared_bytes;
  return Status::success();
}

#else

[[nodiscard]] inline Status cuda_status(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return Status::success();
  // Clears the error unless it is sticky, so that it is not reported again by an unrelated call.
  static_cast<void>(cudaGetLastError());
  return {StatusCode::launch_failed, std::string(what) + ": " + cudaGetErrorString(error)};
}

[[nodiscard]] inline Status device_limits(DeviceLimits& limits) {
  int device = 0;
  int shared = 0;
  Status status = cuda_status(cudaGetDevice(&device), "cudaGetDevice");
  if (status.ok()) {
    status =
        cuda_status(cudaDeviceGetAttribute(&limits.multiprocessors, cudaDevAttrMultiProcessorCount, device),
                    "cudaDeviceGetAttribute");
  }
  if (status.ok()) {
    status = cuda_status(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
                         "cudaDeviceGetAttribute");
  }
  limits.shared_bytes = shared;
  return status;
}

#endif

// Runs kernel<<<grid, threads, shared_bytes, stream>>>(arguments...) with its errors as a Status.
// A grid with no blocks does nothing.
template <typename... Parameters, typename... Arguments>
[[nodiscard]] Status launch(const char* name, void (*kernel)(Parameters...), Grid grid, int threads,
                            std::int64_t shared_bytes, StreamHandle stream, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument for each kernel parameter");
  constexpr std::int64_t kMaxGridX = 2147483647;
  constexpr std::int64_t kMaxGridYZ = 65535;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return Status::success();
  if (grid.x < 0 || grid.y < 0 || grid.z < 0 || grid.x > kMaxGridX || grid.y > kMaxGridYZ ||
      grid.z > kMaxGridYZ) {
    return Status::unsupported(std::string(name) + ": needs a grid of " + std::to_string(grid.x) + " x " +
                               std::to_string(grid.y) + " x " + std::to_string(grid.z) +
                               " blocks; the hardware takes 2147483647 x 65535 x 65535");
  }
  std::tuple<Parameters...> values{static_cast<Parameters>(std::forward<Arguments>(arguments))...};
#ifdef SECATEUR_SIMT
  const simt::LaunchShape shape{
      {static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z)},
      static_cast<unsigned>(threads),
      shared_bytes};
  // The arguments are copied, as a launch copies them: a recorded stream runs it later.
  std::string fault = simt::submit(stream, {.run =
                                                [name, kernel, shape, values] {
                                                  const auto body = [&] { std::apply(kernel, values); };
                                                  return simt::execute(name, shape, body);
                                                },
                                            .kernel = true});
  if (fault.empty()) return Status::success();
  return {StatusCode::launch_failed, std::move(fault)};
#else
  const auto* function = reinterpret_cast<const void*>(kernel);
  constexpr std::int64_t kSharedWithoutOptIn = 48 * 1024;
  if (shared_bytes > kSharedWithoutOptIn) {
    Status status = cuda_status(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                     static_cast<int>(shared_bytes)),
                                name);
    if (!status.ok()) return status;
  }
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y),
                    static_cast<unsigned>(grid.z));
  const dim3 block(static_cast<unsigned>(threads));
  return std::apply(
      [&](auto&... value) {
        void* pointers[] = {const_cast<void*>(static_cast<const void*>(&value))...};
        return cuda_status(cudaLaunchKernel(function, blocks, block, pointers,
                                            static_cast<std::size_t>(shared_bytes), stream),
                           name);
      },
      values);
#endif
}

}  // namespace secateur::kernels
