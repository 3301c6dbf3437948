#include "backend/cuda/host_transfer.h"

#include "backend/cuda/cuda_device.h"
#include "secateur/core/error.h"
#include "secateur/core/log.h"

namespace secateur::cuda {

void* PinnedAllocator::allocate(std::int64_t bytes) {
  check_cuda(cudaSetDevice(ordinal_), fmt::format("choosing GPU {}", ordinal_));
  void* memory = nullptr;
  check_cuda(cudaMallocHost(&memory, static_cast<std::size_t>(bytes)),
             fmt::format("locking {} bytes of the host's memory", bytes));
  return memory;
}

void PinnedAllocator::release(void* memory, std::int64_t /*bytes*/) noexcept {
  const cudaError_t error = cudaFreeHost(memory);
  if (error != cudaSuccess) {
    log_line(std::string("giving back locked memory of the host: ") + cudaGetErrorString(error));
  }
}

CudaEvent::CudaEvent(int ordinal) {
  check_cuda(cudaSetDevice(ordinal), fmt::format("choosing GPU {}", ordinal));
  check_cuda(cudaEventCreateWithFlags(&handle_, cudaEventDisableTiming), "making a CUDA event");
}

CudaEvent::~CudaEvent() {
  const cudaError_t error = cudaEventDestroy(handle_);
  if (error != cudaSuccess) log_line(std::string("giving back a CUDA event: ") + cudaGetErrorString(error));
}

void CudaEvent::record(Stream& stream) {
  stream.make_current();
  check_cuda(cudaEventRecord(handle_, cuda_stream(stream).handle()), "recording a CUDA event");
}

void CudaEvent::wait() { check_cuda(cudaEventSynchronize(handle_), "waiting for a CUDA event"); }

}  // namespace secateur::cuda
