// CudaDevice: one GPU, or the description of one. CudaStream: its queue, with the handles of cuDNN and
// cuBLASLt, the plans of convolutions and a small scratch memory that hang on it.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backend/cuda/cuda_check.h"
#include "secateur/backend/conv_plan.h"
#include "secateur/backend/gpu_description.h"
#include "secateur/core/device.h"
#include "secateur/core/slab.h"

namespace secateur {

class CudaDevice final : public Device {
 public:
  // Opens GPU `ordinal`; throws Error when there is none. Without an allocator memory comes from cudaMalloc.
  CudaDevice(int ordinal, std::shared_ptr<Allocator> allocator);
  // A GPU that is only described.
  explicit CudaDevice(GpuDescription gpu);

  [[nodiscard]] std::string description() const override { return name_; }
  [[nodiscard]] std::unique_ptr<Stream> make_stream() override;
  [[nodiscard]] std::optional<std::int64_t> free_bytes() const override;
  [[nodiscard]] std::shared_ptr<Allocator> host_allocator() override;
  [[nodiscard]] std::unique_ptr<Event> make_event() override;

  [[nodiscard]] bool described() const { return described_.has_value(); }
  [[nodiscard]] const GpuDescription& gpu() const { return *described_; }
  [[nodiscard]] int ordinal() const { return ordinal_; }

 private:
  int ordinal_ = -1;
  std::string name_;
  std::optional<GpuDescription> described_;
};

class CudaStream final : public Stream {
 public:
  // With a null `handle` the stream is made and owned, non-blocking towards the default stream.
  CudaStream(CudaDevice& device, cudaStream_t handle);
  ~CudaStream() override;

  [[nodiscard]] CudaDevice& cuda_device() const;
  // Null on a device that is only described, as the other handles are.
  [[nodiscard]] cudaStream_t handle() const { return handle_; }
  [[nodiscard]] cudnnHandle_t cudnn();
  [[nodiscard]] cublasLtHandle_t cublas_lt();
  [[nodiscard]] ConvPlanCache& conv_plans();
  // Device memory for the time of one call: what a later call on this stream gets is the same memory. Throws
  // Error while the stream is recorded: the memory may be another's when the recording is replayed.
  [[nodiscard]] void* scratch(std::int64_t bytes);

  void make_current() override;
  void synchronize() override;
  void wait_for(Event& event) override;
  void copy_to_device(void* destination, const void* host, std::int64_t bytes) override;
  void copy_to_host(void* host, const void* source, std::int64_t bytes) override;
  void copy(void* destination, const void* source, std::int64_t bytes) override;
  void zero(void* destination, std::int64_t bytes) override;
  [[nodiscard]] bool can_record() const override { return handle_ != nullptr; }
  [[nodiscard]] std::unique_ptr<Recording> record(const std::function<void()>& work) override;

 private:
  void copy_bytes(void* destination, const void* source, std::int64_t bytes, cudaMemcpyKind kind);

  cudaStream_t handle_ = nullptr;
  bool owned_ = false;
  bool recorded_ = false;
  cudnnHandle_t cudnn_ = nullptr;
  cublasLtHandle_t cublas_lt_ = nullptr;
  std::unique_ptr<ConvPlanCache> conv_plans_;
  Slab scratch_;
};

// Throws Error when the stream is of another kind of device.
[[nodiscard]] CudaStream& cuda_stream(Stream& stream);

}  // namespace secateur
