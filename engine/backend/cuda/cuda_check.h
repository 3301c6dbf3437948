// Calls of CUDA's libraries, checked: each throws Error that says what was tried and the library's own words.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <string>
#include <string_view>

namespace secateur {

void check_cuda(cudaError_t error, std::string_view what);
void check_cublas(cublasStatus_t status, std::string_view what);
void check_cudnn(cudnnStatus_t status, std::string_view what);
// cuDNN's name of a status, and the reason that it stored for this thread, if any.
[[nodiscard]] std::string cudnn_reason(cudnnStatus_t status);

}  // namespace secateur
