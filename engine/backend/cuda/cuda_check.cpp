#include "backend/cuda/cuda_check.h"

#include <array>

#include "secateur/core/error.h"

namespace secateur {

void check_cuda(cudaError_t error, std::string_view what) {
  if (error == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // not to be found again by an unrelated call
  fail("{}: CUDA refused: {}", what, cudaGetErrorString(error));
}

void check_cublas(cublasStatus_t status, std::string_view what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail("{}: cuBLASLt refused: {}", what, cublasLtGetStatusString(status));
}

void check_cudnn(cudnnStatus_t status, std::string_view what) {
  if (status != CUDNN_STATUS_SUCCESS) fail("{}: cuDNN refused: {}", what, cudnn_reason(status));
}

std::string cudnn_reason(cudnnStatus_t status) {
  std::array<char, 1024> words{};
  cudnnGetLastErrorString(words.data(), words.size());
  std::string reason = cudnnGetErrorString(status);
  if (words[0] != '\0') reason += fmt::format(": {}", words.data());
  return reason;
}

}  // namespace secateur
