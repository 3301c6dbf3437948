// What lets copies from the host run beside a GPU's work: page-locked memory, and events between streams.
#pragma once

#include <cuda_runtime_api.h>

#include "secateur/core/device.h"

namespace secateur::cuda {

// cudaMallocHost. `ordinal` is the GPU that is current meanwhile.
class PinnedAllocator final : public Allocator {
 public:
  explicit PinnedAllocator(int ordinal) : ordinal_(ordinal) {}
  void* allocate(std::int64_t bytes) override;
  void release(void* memory, std::int64_t bytes) noexcept override;

 private:
  int ordinal_;
};

class CudaEvent final : public Event {
 public:
  explicit CudaEvent(int ordinal);
  ~CudaEvent() override;
  void record(Stream& stream) override;
  void wait() override;
  [[nodiscard]] cudaEvent_t handle() const { return handle_; }

 private:
  cudaEvent_t handle_ = nullptr;
};

}  // namespace secateur::cuda
