#include "backend/cuda/cuda_device.h"
#include "backend/cuda/cuda_kernels.h"
#include "backend/cuda/nccl_communicator.h"
#include "secateur/backend/open_device.h"

namespace secateur {
namespace {

std::optional<std::string> why_no_gpu(int ordinal) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return fmt::format("no GPU can be used: {}", cudaGetErrorString(error));
  }
  if (ordinal < 0 || ordinal >= count) return fmt::format("there is no GPU {}: {} found", ordinal, count);
  return std::nullopt;
}

}  // namespace

void register_cuda_kernels() {
  cuda::register_filter_kernels();
  cuda::register_normalization_kernels();
  cuda::register_elementwise_kernels();
  cuda::register_loss_kernels();
  cuda::register_pooling_kernels();
  cuda::register_channel_kernels();
  cuda::register_cuda_primitives();
  register_device(DeviceKind::cuda, {.open = [](const DeviceOptions& options) -> std::unique_ptr<Device> {
                                       return std::make_unique<CudaDevice>(options.ordinal,
                                                                           options.allocator);
                                     },
                                     .why_none = why_no_gpu,
                                     .communicate = make_nccl_communicator});
}

}  // namespace secateur
