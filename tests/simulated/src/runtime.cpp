#include <cstring>
#include <map>
#include <memory>

#include "cuda_runtime_api.h"
#include "cudnn.h"
#include "simt/memory.h"

namespace {

using Buffer = secateur::simt::GuardedBuffer;

// Every piece of device memory alive. Its last byte lies at a guard page but for what 256-byte alignment
// takes.
std::map<void*, std::unique_ptr<Buffer>>& memory() {
  static std::map<void*, std::unique_ptr<Buffer>> pieces;
  return pieces;
}

// Whether `bytes` from `address` on lie in one piece of device memory.
bool on_device(const void* address, std::size_t bytes) {
  const auto* first = static_cast<const unsigned char*>(address);
  for (const auto& [start, piece] : memory()) {
    if (first >= piece->data() && first + bytes <= piece->data() + piece->size()) return true;
  }
  return false;
}

constexpr std::size_t kMemory = std::size_t{1} << 34;  // bytes that one allocation may have

int stream_object = 0;
int handle_object = 0;

}  // namespace

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidValue:
      break;
  }
  return "invalid argument";
}
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidValue; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return cudaErrorInvalidValue;
  std::strncpy(properties->name, "simulated GPU", sizeof(properties->name) - 1);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** result, std::size_t bytes) {
  constexpr std::size_t kAlignment = 256;
  if (bytes > kMemory) return cudaErrorMemoryAllocation;
  auto piece = std::make_unique<Buffer>((bytes + kAlignment - 1) / kAlignment * kAlignment);
  *result = piece->data();
  memory().emplace(*result, std::move(piece));
  return cudaSuccess;
}
cudaError_t cudaFree(void* address) {
  return memory().erase(address) == 1 ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = *total = kMemory;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* destination, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t /*stream*/) {
  if (on_device(destination, bytes) != (kind != cudaMemcpyDeviceToHost)) return cudaErrorInvalidValue;
  if (on_device(source, bytes) != (kind != cudaMemcpyHostToDevice)) return cudaErrorInvalidValue;
  std::memcpy(destination, source, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* destination, int value, std::size_t bytes, cudaStream_t /*stream*/) {
  if (!on_device(destination, bytes)) return cudaErrorInvalidValue;
  std::memset(destination, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) {
  *stream = reinterpret_cast<cudaStream_t>(&stream_object);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t /*stream*/) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t /*stream*/) { return cudaSuccess; }

std::size_t cudnnGetVersion() { return 91900; }
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = reinterpret_cast<cudnnHandle_t>(&handle_object);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t /*handle*/) { return CUDNN_STATUS_SUCCESS; }
cudnnStatus_t cudnnSetStream(cudnnHandle_t /*handle*/, cudaStream_t /*stream*/) {
  return CUDNN_STATUS_SUCCESS;
}
const char* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : "CUDNN_STATUS_BAD_PARAM";
}
void cudnnGetLastErrorString(char* message, std::size_t size) {
  if (size > 0) message[0] = '\0';
}
