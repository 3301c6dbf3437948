// The search for an engine of cuDNN for an operation graph, on a GPU that is present or only described.
//
// cuDNN's heuristic mode A proposes, its fallback list comes after; the first engine that is allowed and
// builds is taken, so that the choice depends on the library, the GPU and the graph, never on timing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/cuda/cudnn_descriptor.h"
#include "secateur/backend/conv_choices.h"
#include "secateur/backend/gpu_description.h"

namespace secateur {

// What an engine must keep to, beside accumulating in fp32.
struct EngineRules {
  bool deterministic = false;  // results repeat bit for bit
  bool plain_fp32 = false;     // no tensor cores, no inputs converted down
};

struct EnginePlan {
  CudnnDescriptor config;
  CudnnDescriptor plan;
  std::string engine;  // "engine 45, knobs 2=13 13=4": cuDNN's numbers
  ConvChoice choice;   // the same to be kept, and the place in the list of proposals, 0 for the first
  std::int64_t workspace = 0;
  bool tensor_cores = false;
  bool deterministic = true;
};

class PlanSearch {
 public:
  // For a GPU that is described. Throws Error where cuDNN is older than 9.11 or does not take the
  // description.
  explicit PlanSearch(const GpuDescription& gpu);
  // For the GPU of a handle, which must outlive the search and its plans.
  explicit PlanSearch(cudnnHandle_t handle);

  // Null where the GPU is only described.
  [[nodiscard]] cudnnHandle_t handle() const { return handle_; }
  // The GPU's name.
  [[nodiscard]] const std::string& gpu() const { return gpu_; }

  // A plan for a finalised graph; `what` names it. Throws Error that holds the reasons of the first engines
  // where there is none.
  [[nodiscard]] EnginePlan find(const CudnnDescriptor& graph, const EngineRules& rules,
                                const std::string& what) const;

  // The plan of a choice that was made before, without asking; nothing where cuDNN does not take it any more,
  // or the rules forbid it.
  [[nodiscard]] std::optional<EnginePlan> recall(const CudnnDescriptor& graph, const EngineRules& rules,
                                                 const ConvChoice& choice, const std::string& what) const;

 private:
  [[nodiscard]] std::vector<CudnnDescriptor> proposals(const CudnnDescriptor& graph,
                                                       cudnnBackendHeurMode_t mode,
                                                       const std::string& what) const;
  [[nodiscard]] std::optional<EnginePlan> build(CudnnDescriptor config, const EngineRules& rules,
                                                const std::string& what, std::string& refusal) const;

  std::string gpu_;
  cudnnHandle_t handle_ = nullptr;
  std::optional<CudnnDescriptor> properties_;
};

}  // namespace secateur
