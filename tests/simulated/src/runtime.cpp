#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "cuda_runtime_api.h"
#include "cudnn.h"
#include "simt/memory.h"
#include "simt/stream.h"
#include "simulated/gpu.h"
#include "simulated/stream.h"
#include "simulated/transfers.h"

namespace simt = secateur::simt;

struct CUgraphNode_st {
  bool kernel = false;
};
struct CUgraph_st {
  simt::Recording work;
  std::vector<CUgraphNode_st> nodes;
};
struct CUgraphExec_st {
  simt::Recording work;
};

namespace {

using Buffer = simt::GuardedBuffer;

// Every piece of device memory alive. Its last byte lies at a guard page but for what 256-byte alignment
// takes.
std::map<void*, std::unique_ptr<Buffer>>& memory() {
  static std::map<void*, std::unique_ptr<Buffer>> pieces;
  return pieces;
}

// Streams that this thread captures: other threads' calls do them no harm (cudaStreamCaptureModeThreadLocal).
std::set<CUstream_st*>& capturing() {
  static thread_local std::set<CUstream_st*> streams;
  return streams;
}

// What went wrong in the last graph that was launched.
std::string& fault() {
  static std::string words;
  return words;
}

// Batches are sent by a thread of their own.
std::mutex& memory_lock() {
  static std::mutex lock;
  return lock;
}

// Whether `bytes` from `address` on lie in one piece of device memory.
bool on_device(const void* address, std::size_t bytes) {
  const std::lock_guard lock(memory_lock());
  const auto* first = static_cast<const unsigned char*>(address);
  for (const auto& [start, piece] : memory()) {
    if (first >= piece->data() && first + bytes <= piece->data() + piece->size()) return true;
  }
  return false;
}

// What a capture refuses ends it: nothing comes of it any more.
cudaError_t refused_by_captures() {
  for (CUstream_st* stream : capturing()) stream->invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t queue(cudaStream_t stream, const std::function<void()>& work) {
  simt::submit(stream, {.run =
                            [work] {
                              work();
                              return std::string();
                            },
                        .kernel = false});
  return cudaSuccess;
}

}  // namespace

secateur::simulated::Gpu& secateur::simulated::gpu() {
  static Gpu instance;
  return instance;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureUnjoined:
      return "capturing stream has unjoined work";
    case cudaErrorStreamCaptureIsolation:
      return "dependency created on uncaptured work in another stream";
    case cudaErrorCapturedEvent:
      return "operation not permitted on an event last recorded in a capturing stream";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorLaunchFailure:
      return fault().c_str();
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
  if (!capturing().empty()) return refused_by_captures();
  if (bytes > secateur::simulated::gpu().memory) return cudaErrorMemoryAllocation;
  auto piece = std::make_unique<Buffer>((bytes + kAlignment - 1) / kAlignment * kAlignment);
  *result = piece->data();
  const std::lock_guard lock(memory_lock());
  memory().emplace(*result, std::move(piece));
  ++secateur::simulated::gpu().allocations;
  return cudaSuccess;
}
cudaError_t cudaFree(void* address) {
  if (!capturing().empty()) return refused_by_captures();
  const std::lock_guard lock(memory_lock());
  return memory().erase(address) == 1 ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = *total = secateur::simulated::gpu().memory;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* destination, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (on_device(destination, bytes) != (kind != cudaMemcpyDeviceToHost)) return cudaErrorInvalidValue;
  if (on_device(source, bytes) != (kind != cudaMemcpyHostToDevice)) return cudaErrorInvalidValue;
  if (kind != cudaMemcpyDeviceToDevice && simt::is_recorded(stream)) return refused_by_captures();
  if (kind == cudaMemcpyHostToDevice) secateur::simulated::note_copy_to_device(source, bytes);
  return queue(stream, [=] { std::memcpy(destination, source, bytes); });
}
cudaError_t cudaMemsetAsync(void* destination, int value, std::size_t bytes, cudaStream_t stream) {
  if (!on_device(destination, bytes)) return cudaErrorInvalidValue;
  return queue(stream, [=] { std::memset(destination, value, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) {
  *stream = new CUstream_st;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (stream->origin() != nullptr) return refused_by_captures();
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (simt::is_recorded(stream)) return refused_by_captures();
  ++secateur::simulated::gpu().synchronizations;
  secateur::simulated::note_synchronization();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode /*mode*/) {
  if (stream->origin() != nullptr) return refused_by_captures();
  stream->capture = std::make_unique<simt::Recording>();
  stream->invalid = false;
  ++stream->captures;
  capturing().insert(stream);
  simt::record(stream, stream->capture.get());
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (stream->capture == nullptr) return cudaErrorInvalidValue;
  simt::record(stream, nullptr);
  capturing().erase(stream);
  const std::unique_ptr<simt::Recording> captured = std::move(stream->capture);
  bool joined = true;
  for (CUstream_st* fork : std::exchange(stream->forks, {})) {
    simt::record(fork, nullptr);
    fork->forked_from = nullptr;
    joined = std::exchange(fork->joined, true) && joined;
  }
  if (stream->invalid) return cudaErrorStreamCaptureInvalidated;
  if (!joined) return cudaErrorStreamCaptureUnjoined;
  *graph = new CUgraph_st{*captured, {}};
  for (const simt::Work& work : *captured) (*graph)->nodes.push_back({work.kernel});
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  if (nodes == nullptr) {
    *count = graph->nodes.size();
    return cudaSuccess;
  }
  *count = std::min(*count, graph->nodes.size());
  for (std::size_t i = 0; i < *count; ++i) nodes[i] = &graph->nodes[i];
  return cudaSuccess;
}
cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  *type = node->kernel ? cudaGraphNodeTypeKernel : cudaGraphNodeTypeMemcpy;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags) {
  if (flags != 0) return cudaErrorInvalidValue;
  *executable = new CUgraphExec_st{graph->work};
  ++secateur::simulated::gpu().instantiations;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (simt::is_recorded(stream)) return refused_by_captures();
  ++secateur::simulated::gpu().graph_launches;
  for (const simt::Work& work : executable->work) {
    fault() = work.run();
    if (!fault().empty()) return cudaErrorLaunchFailure;
  }
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

std::size_t cudnnGetVersion() { return 91900; }
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
  *stream = handle->stream;
  return CUDNN_STATUS_SUCCESS;
}
const char* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : "CUDNN_STATUS_BAD_PARAM";
}
void cudnnGetLastErrorString(char* message, std::size_t size) {
  if (size > 0) message[0] = '\0';
}
