// What a network would cost on a GPU that is only described: which engine runs each convolution, and
// floors of running time. Nothing is allocated and nothing runs. (runtime/step_memory.h knows the memory.)
//
// Floors are of the convolutions alone: the larger of bytes / bandwidth and 2 * multiply-adds / peak, each
// operand moved once. A real pass takes longer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "secateur/backend/conv_problem.h"
#include "secateur/backend/gpu_description.h"
#include "secateur/graph/graph.h"

namespace secateur {

// What the caller knows of one pass's plan; `refusal` is why there is none.
struct PassEngine {
  std::string engine;
  std::int64_t workspace = 0;
  bool tensor_cores = false;
  std::string refusal;
};
using EngineFinder = std::function<PassEngine(const ConvProblem&)>;

struct PassPlan {
  ConvProblem problem;
  PassEngine engine;
  double floor_seconds = 0;
  bool memory_bound = false;
};

// A pass whose stored widths are no multiples of 8, and what it would get if they were.
struct WidthLoss {
  ConvPass pass = ConvPass::forward;
  std::int64_t workspace = 0;
  std::int64_t rounded_workspace = 0;
  bool lost_tensor_cores = false;
};

struct LayerPlan {
  std::string name;
  ConvGeometry geometry;
  std::vector<PassPlan> passes;
  std::int64_t rounded_in = 0;  // logical widths rounded up to 8; the image's channels stay as they are
  std::int64_t rounded_out = 0;
  std::vector<WidthLoss> losses;  // empty: no fast path is lost
  // Part of the multiply-adds of the forward pass that falls on padding lanes.
  [[nodiscard]] double idle_fraction() const;
};

struct NetworkPlanOptions {
  std::int64_t batch = 128;
  Precision precision = Precision::bf16;
  bool training = true;
  bool deterministic = false;
};

struct NetworkPlan {
  std::vector<LayerPlan> layers;
  double floor_seconds = 0;
  std::int64_t bytes = 0;
  std::int64_t macs = 0;     // stored widths
  std::int64_t refused = 0;  // passes without an engine
};

[[nodiscard]] NetworkPlan plan_network(const Graph& graph, const GpuDescription& gpu,
                                       const NetworkPlanOptions& options, const EngineFinder& find);

}  // namespace secateur
