// What the back end calls of cuDNN itself; plans of convolutions are stood in for as a whole
// (src/convolution.cpp).
#pragma once

#include <cstddef>

#include "cuda_runtime_api.h"

// The names are the library's own.
// NOLINTBEGIN(readability-identifier-naming)
struct cudnnContext;
using cudnnHandle_t = cudnnContext*;
enum cudnnStatus_t { CUDNN_STATUS_SUCCESS = 0, CUDNN_STATUS_BAD_PARAM = 2000 };

std::size_t cudnnGetVersion();
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle);
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle);
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream);
cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream);
const char* cudnnGetErrorString(cudnnStatus_t status);
void cudnnGetLastErrorString(char* message, std::size_t size);
// NOLINTEND(readability-identifier-naming)
