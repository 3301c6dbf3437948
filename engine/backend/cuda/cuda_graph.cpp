#include "backend/cuda/cuda_graph.h"

#include <memory>
#include <type_traits>
#include <vector>

#include "backend/cuda/cuda_check.h"
#include "secateur/core/log.h"

namespace secateur::cuda {
namespace {

struct GraphDestroyer {
  void operator()(cudaGraph_t graph) const noexcept {
    if (cudaGraphDestroy(graph) != cudaSuccess) log_line("a CUDA graph could not be given back");
  }
};
using GraphOwner = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, GraphDestroyer>;

// The capture must end whatever happens: a stream that is left in it takes no other work.
GraphOwner capture(cudaStream_t stream, const std::function<void()>& work) {
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "beginning to capture a step");
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    static_cast<void>(cudaStreamEndCapture(stream, &graph));
    static_cast<void>(cudaGetLastError());  // not to be found again by an unrelated call
    if (graph != nullptr) GraphDestroyer{}(graph);
    throw;
  }
  check_cuda(cudaStreamEndCapture(stream, &graph), "capturing a step");
  return GraphOwner(graph);
}

std::int64_t count_kernels(cudaGraph_t graph) {
  std::size_t count = 0;
  check_cuda(cudaGraphGetNodes(graph, nullptr, &count), "counting the nodes of a CUDA graph");
  std::vector<cudaGraphNode_t> nodes(count);
  check_cuda(cudaGraphGetNodes(graph, nodes.data(), &count), "listing the nodes of a CUDA graph");
  std::int64_t kernels = 0;
  for (const cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type{};
    check_cuda(cudaGraphNodeGetType(node, &type), "asking for the type of a node");
    kernels += type == cudaGraphNodeTypeKernel ? 1 : 0;
  }
  return kernels;
}

}  // namespace

CudaGraph::CudaGraph(cudaStream_t stream, const std::function<void()>& work) : stream_(stream) {
  const GraphOwner graph = capture(stream, work);
  kernels_ = count_kernels(graph.get());
  check_cuda(cudaGraphInstantiate(&executable_, graph.get(), 0), "instantiating a CUDA graph");
}

CudaGraph::~CudaGraph() {
  if (cudaGraphExecDestroy(executable_) != cudaSuccess) log_line("a CUDA graph could not be given back");
}

void CudaGraph::replay() { check_cuda(cudaGraphLaunch(executable_, stream_), "launching a CUDA graph"); }

}  // namespace secateur::cuda
