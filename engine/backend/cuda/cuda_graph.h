// CudaGraph: the work of a stream, captured and instantiated once, launched as often as it is wanted.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>

#include "secateur/core/device.h"

namespace secateur::cuda {

class CudaGraph final : public Recording {
 public:
  // Captures what `work` queues on `stream`, whose GPU is the thread's current one. Other threads may go on
  // using the GPU meanwhile. Throws what `work` throws, and Error for what cannot be captured; the stream is
  // out of capture again in either case.
  CudaGraph(cudaStream_t stream, const std::function<void()>& work);
  ~CudaGraph() override;

  void replay() override;
  [[nodiscard]] std::int64_t kernels() const override { return kernels_; }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
  std::int64_t kernels_ = 0;
};

}  // namespace secateur::cuda
