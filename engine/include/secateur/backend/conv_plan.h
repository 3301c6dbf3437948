// Execution plans of convolutions: which engine of cuDNN runs a pass, with which knobs and how much
// workspace.
//
// Plans are made for a GPU that is present (from its handle) or for one that is only described (from its
// properties; cuDNN 9.11 or newer, nothing runs). cuDNN's heuristic mode A proposes, its fallback list comes
// after; the first engine that is allowed and builds is taken, so that the choice depends on the library, the
// GPU and the problem, never on timing. A plan is made once and shared; what was chosen can be kept for other
// runs (backend/conv_choices.h), which build the same plans without asking.
//
// What is allowed:
//   fp32           no tensor cores and no inputs converted down: real fp32 products
//   tf32           fp32 in memory, tensor cores
//   bf16, fp16     16-bit in memory; accumulation in fp32
//   deterministic  no engine that repeats itself only nearly
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "secateur/backend/conv_choices.h"
#include "secateur/backend/conv_problem.h"
#include "secateur/backend/gpu_description.h"

struct cudnnContext;  // cudnnHandle_t is a pointer to it

namespace secateur {

// Operands of a pass, in device memory: forward reads input and filter and writes output; input_gradient
// reads filter and output (its gradient) and writes input; weight_gradient reads input and output and writes
// filter. Fusions (backend/conv_problem.h) have more, fp32 unless said otherwise, each on a 16-byte boundary.

struct BatchNormOperands {  // one value a channel of the input
  void* factor = nullptr;   // fp16: forward and weight_gradient read these two
  void* offset = nullptr;
  // input_gradient reads these, writes its `input` masked by the ReLU, and the gradients.
  void* x = nullptr;  // the map that is normalised
  float* mean = nullptr;
  float* inverse_deviation = nullptr;
  float* scale = nullptr;
  float* shift = nullptr;
  float* scale_gradient = nullptr;
  float* shift_gradient = nullptr;
  float* factors = nullptr;  // [3, channels]: written, and of no use where the gradients are known
};

struct ConvOperands {
  void* input = nullptr;
  void* filter = nullptr;
  void* output = nullptr;
  void* workspace = nullptr;
  float* sums = nullptr;  // [2, channels of the output]: sums of it, and of its squares
  BatchNormOperands norm;
};

class ConvPlan {
 public:
  ConvPlan(ConvPlan&&) noexcept;
  ConvPlan& operator=(ConvPlan&&) noexcept;
  ~ConvPlan();

  [[nodiscard]] const ConvProblem& problem() const { return problem_; }
  // "engine 45, knobs 2=13 13=4": cuDNN's numbers.
  [[nodiscard]] const std::string& engine() const { return engine_; }
  [[nodiscard]] std::int64_t engine_index() const { return choice_.engine; }
  [[nodiscard]] const ConvChoice& choice() const { return choice_; }
  [[nodiscard]] std::int64_t workspace() const { return workspace_; }
  [[nodiscard]] bool tensor_cores() const { return tensor_cores_; }
  [[nodiscard]] bool deterministic() const { return deterministic_; }
  // Place in the list of proposals, 0 for the first: what was refused before it.
  [[nodiscard]] std::int64_t rank() const { return choice_.rank; }

  // Queues the pass on the handle's stream. Throws Error with the problem and cuDNN's reason. Only for plans
  // made from a handle.
  void run(cudnnContext* handle, const ConvOperands& operands) const;

 private:
  friend class ConvPlanner;
  struct Descriptors;
  ConvPlan();

  ConvProblem problem_;
  std::string engine_;
  ConvChoice choice_;
  std::int64_t workspace_ = 0;
  bool tensor_cores_ = false;
  bool deterministic_ = true;
  std::unique_ptr<Descriptors> descriptors_;
};

class ConvPlanCache {
 public:
  // For a GPU that is described. Throws Error when cuDNN does not take the description.
  explicit ConvPlanCache(const GpuDescription& gpu);
  // For the GPU of a handle, which must outlive the cache.
  explicit ConvPlanCache(cudnnContext* handle);
  ~ConvPlanCache();
  ConvPlanCache(const ConvPlanCache&) = delete;
  ConvPlanCache& operator=(const ConvPlanCache&) = delete;

  // The plan of a problem, made at the first call. Throws Error that holds the problem and the reason of each
  // engine when there is none, and remembers it. Safe to call from several threads.
  [[nodiscard]] std::shared_ptr<const ConvPlan> find(const ConvProblem& problem);
  // Number of plans made, refusals included.
  [[nodiscard]] std::int64_t made() const;
  // Of those, built from a choice of an earlier run.
  [[nodiscard]] std::int64_t recalled() const;

  // Takes over what was chosen before, for plans that are not made yet. Throws Error where it is of another
  // GPU or another cuDNN. A choice that cuDNN does not take any more is chosen anew.
  void recall(ConvChoices choices);
  // What was chosen so far, and what was recalled and not needed.
  [[nodiscard]] ConvChoices choices() const;

 private:
  struct Entry {
    std::shared_ptr<const ConvPlan> plan;
    std::string refusal;
  };

  std::unique_ptr<class ConvPlanner> planner_;
  mutable std::mutex mutex_;
  std::map<ConvProblem, Entry> entries_;
  std::int64_t recalled_ = 0;
  ConvChoices choices_;
};

// The properties of a GPU that is present, as cuDNN writes them (GpuDescription::properties_json). Throws
// Error when there is no GPU of that ordinal.
[[nodiscard]] std::string device_properties_json(int ordinal);

}  // namespace secateur
