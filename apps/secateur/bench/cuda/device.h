// Device memory and what of CUDA C++ the measurements need.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>

#include "secateur/kernels/types.h"

namespace secateur::bench {

// Throws Error with CUDA's own words.
void check_cuda(cudaError_t error, const char* what);

class DeviceArray {
 public:
  explicit DeviceArray(std::int64_t bytes);
  ~DeviceArray();
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  [[nodiscard]] void* data() const { return data_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  template <class T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

using Memory = std::shared_ptr<DeviceArray>;

// Uniform in [-1, 1).
void fill_random(void* values, kernels::DType type, std::int64_t count, std::uint32_t seed,
                 cudaStream_t stream);

// b = a of `bytes` (a multiple of 16), and c = a + s b of `count` floats (a multiple of 4).
void copy_bytes(void* b, const void* a, std::int64_t bytes, cudaStream_t stream);
void triad(float* c, const float* a, const float* b, std::int64_t count, cudaStream_t stream);
// Multiply-adds in registers on every multiprocessor: fp32, or 16-bit matrix products with fp32 sums by the
// instructions that the kernels use (mma.sync). Each returns the operations that it queues; `sink` takes a
// float a block.
[[nodiscard]] double multiply_adds(float* sink, int multiprocessors, cudaStream_t stream);
[[nodiscard]] double matrix_multiply_adds(float* sink, int multiprocessors, cudaStream_t stream);
constexpr int kCeilingBlocksPerMultiprocessor = 4;

}  // namespace secateur::bench
