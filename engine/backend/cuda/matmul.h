// Matrix products on cuBLASLt, seen row-major:
//
//   out [m, n] = op(a) [m, k] . op(b) [k, n],   op(x) = x, or its transpose where `transposed` is set
//
// Sums are fp32; f32 operands are multiplied as they are, in tf32 only where the precision says so. Partial
// sums never meet in memory by atomics, so that a product repeats bit for bit.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <memory>
#include <string>

#include "secateur/backend/kernel.h"
#include "secateur/core/dtype.h"

namespace secateur::cuda {

struct MatmulOperand {
  DType type = DType::f32;
  std::int64_t leading = 0;  // elements from one stored row to the next
  bool transposed = false;
};

struct MatmulShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  MatmulOperand a;
  MatmulOperand b;
  DType out_type = DType::f32;
  std::int64_t out_leading = 0;
  Precision precision = Precision::fp32;

  // "10x128 . 128x64 in bf16"
  [[nodiscard]] std::string to_string() const;
};

class Matmul {
 public:
  // Scratch that run() may use; aligned to 256 bytes, like all operands to 16.
  static constexpr std::int64_t kWorkspace = std::int64_t{4} << 20;

  explicit Matmul(const MatmulShape& shape);
  ~Matmul();
  Matmul(Matmul&&) noexcept;
  Matmul& operator=(Matmul&&) = delete;
  Matmul(const Matmul&) = delete;
  Matmul& operator=(const Matmul&) = delete;

  // The first call asks cuBLASLt for an algorithm, which needs the GPU. Throws Error with the shape and
  // cuBLASLt's reason.
  void run(cublasLtHandle_t handle, cudaStream_t stream, const void* a, const void* b, void* out,
           void* workspace);

 private:
  struct Descriptors;
  MatmulShape shape_;
  std::unique_ptr<Descriptors> descriptors_;
};

}  // namespace secateur::cuda
