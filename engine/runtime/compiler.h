// Compilation of a Program: from a graph to steps over virtual buffers. Buffers become memory in program.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/graph/conv_fusion.h"
#include "secateur/graph/memory_plan.h"
#include "secateur/runtime/model.h"
#include "secateur/runtime/program.h"

namespace secateur {

using BufferId = std::int32_t;
constexpr BufferId kNoBuffer = -1;

// A tensor in a buffer whose place is not known yet.
struct VirtualTensor {
  BufferId buffer = kNoBuffer;
  DType dtype = DType::f32;
  Shape shape;
  std::int64_t leading = 0;
};

struct Step {
  enum class Kind : std::uint8_t { forward, backward, add };
  Kind kind = Kind::forward;
  NodeId node = -1;                            // of the executed graph; -1 for add
  std::vector<VirtualTensor> inputs;           // add: the two terms
  VirtualTensor output;                        // add: the sum
  VirtualTensor output_gradient;               // backward
  std::vector<VirtualTensor> input_gradients;  // backward
  BufferId workspace = kNoBuffer;
  BufferId input_sums = kNoBuffer;   // forward, of nodes that take statistics (graph/conv_fusion.h)
  BufferId output_sums = kNoBuffer;  // forward, of nodes that give them
};

// What Program runs.
struct CompiledProgram {
  Graph graph;                                        // executed: fused, with the loss appended
  std::vector<std::unique_ptr<Kernel>> kernels;       // one a node; null where nothing runs
  std::vector<std::vector<std::int64_t>> parameters;  // indices into the model's, one list a node
  std::vector<Step> forward;
  std::vector<Step> backward;
  std::vector<BufferLife> buffers;
  std::vector<BufferId> saved;  // one a node
  VirtualTensor images, labels, teacher, logits, losses, loss_gradient;
  std::vector<VirtualTensor> taps, tap_gradients;
  std::vector<ConvFusionChoice> conv_fusions;  // one a convolution; empty where none could be fused
};

[[nodiscard]] CompiledProgram compile(const Model& model, Stream& stream, const ProgramOptions& options);

}  // namespace secateur
