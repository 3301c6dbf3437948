#include "backend/cuda/plan_search.h"

#include <algorithm>
#include <array>
#include <set>

#include "secateur/core/error.h"

namespace secateur {
namespace {

// What an engine says of its arithmetic.
std::set<cudnnBackendNumericalNote_t> numerical_notes(const CudnnDescriptor& engine) {
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  const std::int64_t count = engine.get_raw(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                            CUDNN_NUMERICAL_NOTE_TYPE_COUNT, notes.data());
  return {notes.begin(), notes.begin() + std::min<std::int64_t>(count, CUDNN_NUMERICAL_NOTE_TYPE_COUNT)};
}

// Why an engine may not be used, or nothing.
std::optional<std::string> forbidden(const EngineRules& rules,
                                     const std::set<cudnnBackendNumericalNote_t>& notes) {
  if (rules.deterministic && notes.contains(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)) {
    return "does not repeat bit for bit";
  }
  if (notes.contains(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION))
    return "accumulates in less than fp32";
  if (!rules.plain_fp32) return std::nullopt;
  if (notes.contains(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) return "computes with tensor cores (tf32)";
  if (notes.contains(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)) return "converts its inputs down";
  return std::nullopt;
}

using Knobs = std::vector<std::array<std::int64_t, 2>>;

// Knob types and values, as cuDNN numbers them.
Knobs knobs_of(const CudnnDescriptor& config) {
  std::vector<CudnnDescriptor> choices;
  std::array<cudnnBackendDescriptor_t, CUDNN_KNOB_TYPE_COUNTS> pointers{};
  for (cudnnBackendDescriptor_t& pointer : pointers) {
    choices.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, "knob");
    pointer = choices.back().get();
  }
  const std::int64_t count = config.get_raw(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                            CUDNN_KNOB_TYPE_COUNTS, pointers.data());
  Knobs knobs;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count) && i < choices.size(); ++i) {
    cudnnBackendKnobType_t type{};
    static_cast<void>(choices[i].get_raw(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type));
    knobs.push_back({type, choices[i].integer(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE)});
  }
  return knobs;
}

// "2=13 13=4"
std::string knobs_text(const Knobs& knobs) {
  std::string text;
  for (const auto& [type, value] : knobs)
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", type, value);
  return text;
}

// Of the calling thread's current GPU, to which a handle belongs.
std::string name_of_present_gpu() {
  int ordinal = 0;
  check_cuda(cudaGetDevice(&ordinal), "asking for the current GPU");
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, ordinal), "asking for a GPU's properties");
  return properties.name;
}

CudnnDescriptor described_properties(const std::string& json) {
  CudnnDescriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "description of a GPU");
  properties.set_text(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, json);
  properties.finalize();
  return properties;
}

}  // namespace

PlanSearch::PlanSearch(const GpuDescription& gpu) : gpu_(gpu.name) {
  require(cudnnGetVersion() >= 91100,
          "plans for a GPU that is not there need cuDNN 9.11 or newer; this is {}", cudnnGetVersion());
  properties_ = described_properties(gpu.properties_json);
}

PlanSearch::PlanSearch(cudnnHandle_t handle) : gpu_(name_of_present_gpu()), handle_(handle) {}

EnginePlan PlanSearch::find(const CudnnDescriptor& graph, const EngineRules& rules,
                            const std::string& what) const {
  std::vector<std::string> reasons;
  std::int64_t rank = 0;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (CudnnDescriptor& config : proposals(graph, mode, what)) {
      std::string refusal;
      if (std::optional<EnginePlan> plan = build(std::move(config), rules, what, refusal)) {
        plan->choice.rank = rank;
        return std::move(*plan);
      }
      reasons.push_back(std::move(refusal));
      ++rank;
    }
  }
  constexpr std::size_t kShown = 3;
  const std::size_t total = reasons.size();
  if (total > kShown) reasons.resize(kShown);
  fail("cuDNN {} has no engine on {} for {}: {}", cudnnGetVersion(), gpu_, what,
       total == 0 ? "it proposes none" : fmt::format("{} proposed; {}", total, fmt::join(reasons, "; ")));
}

std::optional<EnginePlan> PlanSearch::recall(const CudnnDescriptor& graph, const EngineRules& rules,
                                             const ConvChoice& choice, const std::string& what) const {
  CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR, what);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
  engine.set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, choice.engine);
  if (properties_) engine.set(CUDNN_ATTR_ENGINE_DEVICEPROP, *properties_);
  if (engine.try_finalize() != CUDNN_STATUS_SUCCESS) return std::nullopt;
  std::vector<CudnnDescriptor> knobs;
  std::vector<cudnnBackendDescriptor_t> pointers;
  for (const auto& [number, value] : choice.knobs) {
    CudnnDescriptor& knob = knobs.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, what);
    const auto type = static_cast<cudnnBackendKnobType_t>(number);
    knob.set_raw(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
    knob.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, value);
    if (knob.try_finalize() != CUDNN_STATUS_SUCCESS) return std::nullopt;
    pointers.push_back(knob.get());
  }
  CudnnDescriptor config(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, what);
  config.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (!pointers.empty()) {
    config.set_raw(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::ssize(pointers),
                   static_cast<const void*>(pointers.data()));
  }
  if (config.try_finalize() != CUDNN_STATUS_SUCCESS) return std::nullopt;
  std::string refusal;
  std::optional<EnginePlan> plan = build(std::move(config), rules, what, refusal);
  if (plan) plan->choice.rank = choice.rank;
  return plan;
}

// Engine configurations in the order of a heuristic; none where cuDNN refuses to propose.
std::vector<CudnnDescriptor> PlanSearch::proposals(const CudnnDescriptor& graph, cudnnBackendHeurMode_t mode,
                                                   const std::string& what) const {
  CudnnDescriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, what);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristic.set_raw(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (properties_) heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *properties_);
  if (heuristic.try_finalize() != CUDNN_STATUS_SUCCESS) return {};
  std::int64_t count =
      heuristic.get_raw(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  std::vector<CudnnDescriptor> configs;
  std::vector<cudnnBackendDescriptor_t> pointers;
  for (std::int64_t i = 0; i < count; ++i) {
    configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "engine configuration");
    pointers.push_back(configs.back().get());
  }
  count = heuristic.get_raw(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                            static_cast<void*>(pointers.data()));
  while (static_cast<std::int64_t>(configs.size()) > count) configs.pop_back();
  return configs;
}

// Nothing, and why, where the engine cannot be used.
std::optional<EnginePlan> PlanSearch::build(CudnnDescriptor config, const EngineRules& rules,
                                            const std::string& what, std::string& refusal) const {
  const CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR, "engine");
  cudnnBackendDescriptor_t pointer = engine.get();
  static_cast<void>(config.get_raw(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &pointer));
  const std::int64_t index = engine.integer(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  const std::set<cudnnBackendNumericalNote_t> notes = numerical_notes(engine);
  if (const auto reason = forbidden(rules, notes)) {
    refusal = fmt::format("engine {} {}", index, *reason);
    return std::nullopt;
  }
  CudnnDescriptor descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, what);
  if (handle_ != nullptr) {
    descriptor.set_raw(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle_);
  }
  descriptor.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  if (properties_) descriptor.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *properties_);
  if (const cudnnStatus_t status = descriptor.try_finalize(); status != CUDNN_STATUS_SUCCESS) {
    refusal = fmt::format("engine {}: {}", index, cudnn_reason(status));
    return std::nullopt;
  }
  const std::int64_t workspace = descriptor.integer(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  ConvChoice choice{index, knobs_of(config), 0};
  const std::string knobs = knobs_text(choice.knobs);
  return EnginePlan{.config = std::move(config),
                    .plan = std::move(descriptor),
                    .engine = fmt::format("engine {}{}{}", index, knobs.empty() ? "" : ", knobs ", knobs),
                    .choice = std::move(choice),
                    .workspace = workspace,
                    .tensor_cores = notes.contains(CUDNN_NUMERICAL_NOTE_TENSOR_CORE),
                    .deterministic = !notes.contains(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)};
}

}  // namespace secateur
