#include "secateur/backend/conv_plan.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "backend/cuda/cudnn_descriptor.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

enum Uid : std::int64_t { kInputUid = 1, kFilterUid = 2, kOutputUid = 3 };

cudnnDataType_t cudnn_type(DType type) {
  switch (type) {
    case DType::f32:
      return CUDNN_DATA_FLOAT;
    case DType::f16:
      return CUDNN_DATA_HALF;
    case DType::bf16:
      return CUDNN_DATA_BFLOAT16;
    default:
      fail("cuDNN's convolutions take f32, f16 and bf16 here, not {}", name_of(type));
  }
}

// Extents in cuDNN's order N, C, H, W (K, C, R, S for filters), laid out with channels last.
CudnnDescriptor channels_last(Uid uid, DType type, std::array<std::int64_t, 4> nchw) {
  const auto [n, c, h, w] = nchw;
  const std::array<std::int64_t, 4> strides{h * w * c, 1, w * c, c};
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor of a convolution");
  const cudnnDataType_t data_type = cudnn_type(type);
  tensor.set_raw(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &data_type);
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, nchw);
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES, strides);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
  tensor.finalize();
  return tensor;
}

CudnnDescriptor convolution(const ConvProblem& problem) {
  CudnnDescriptor descriptor(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution");
  const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  descriptor.set_raw(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
  descriptor.set_raw(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, problem.padding);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, problem.padding);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, problem.dilation);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, problem.stride);
  descriptor.finalize();
  return descriptor;
}

// What the three passes call the same things.
struct PassNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, input, filter, output, alpha, beta;
};

const PassNames& names_of(ConvPass pass) {
  static constexpr std::array<PassNames, 3> kNames{
      {{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
       {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
       {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}}};
  return kNames.at(static_cast<std::size_t>(pass));
}

// An operation graph of one convolution with the descriptors that it refers to.
struct OperationGraph {
  CudnnDescriptor input, filter, output, convolution, operation, graph;
};

OperationGraph operation_graph(const ConvProblem& p, cudnnHandle_t handle) {
  const DType type = storage_type(p.precision);
  OperationGraph g{
      channels_last(kInputUid, type, {p.batch, p.input.channels, p.input.height, p.input.width}),
      channels_last(kFilterUid, type,
                    {p.output.channels, p.input.channels / p.groups, p.kernel[0], p.kernel[1]}),
      channels_last(kOutputUid, type, {p.batch, p.output.channels, p.output.height, p.output.width}),
      convolution(p),
      CudnnDescriptor(names_of(p.pass).type, p.to_string()),
      CudnnDescriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, p.to_string())};
  const PassNames& names = names_of(p.pass);
  const float alpha = 1;
  const float beta = 0;
  g.operation.set(names.convolution, g.convolution);
  g.operation.set(names.input, g.input);
  g.operation.set(names.filter, g.filter);
  g.operation.set(names.output, g.output);
  g.operation.set_raw(names.alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
  g.operation.set_raw(names.beta, CUDNN_TYPE_FLOAT, 1, &beta);
  g.operation.finalize();
  g.graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, g.operation);
  if (handle != nullptr) g.graph.set_raw(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  g.graph.finalize();
  return g;
}

// What an engine says of its arithmetic.
std::set<cudnnBackendNumericalNote_t> numerical_notes(const CudnnDescriptor& engine) {
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  const std::int64_t count = engine.get_raw(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                            CUDNN_NUMERICAL_NOTE_TYPE_COUNT, notes.data());
  return {notes.begin(), notes.begin() + std::min<std::int64_t>(count, CUDNN_NUMERICAL_NOTE_TYPE_COUNT)};
}

// Why an engine may not be used, or nothing.
std::optional<std::string> forbidden(const ConvProblem& problem,
                                     const std::set<cudnnBackendNumericalNote_t>& notes) {
  if (problem.deterministic && notes.contains(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)) {
    return "does not repeat bit for bit";
  }
  if (notes.contains(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION))
    return "accumulates in less than fp32";
  if (problem.precision != Precision::fp32) return std::nullopt;
  if (notes.contains(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) return "computes with tensor cores (tf32)";
  if (notes.contains(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)) return "converts its inputs down";
  return std::nullopt;
}

// "2=13 13=4": knob types and values, as cuDNN numbers them.
std::string knobs_text(const CudnnDescriptor& config) {
  std::vector<CudnnDescriptor> choices;
  std::array<cudnnBackendDescriptor_t, CUDNN_KNOB_TYPE_COUNTS> pointers{};
  for (cudnnBackendDescriptor_t& pointer : pointers) {
    choices.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, "knob");
    pointer = choices.back().get();
  }
  const std::int64_t count = config.get_raw(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                            CUDNN_KNOB_TYPE_COUNTS, pointers.data());
  std::string text;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count) && i < choices.size(); ++i) {
    cudnnBackendKnobType_t type{};
    static_cast<void>(choices[i].get_raw(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type));
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", static_cast<int>(type),
                        choices[i].integer(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  }
  return text;
}

CudnnDescriptor described_properties(const std::string& json) {
  CudnnDescriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "description of a GPU");
  properties.set_text(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, json);
  properties.finalize();
  return properties;
}

}  // namespace

struct ConvPlan::Descriptors {
  OperationGraph graph;
  CudnnDescriptor config;
  CudnnDescriptor plan;
};

ConvPlan::ConvPlan() = default;
ConvPlan::ConvPlan(ConvPlan&&) noexcept = default;
ConvPlan& ConvPlan::operator=(ConvPlan&&) noexcept = default;
ConvPlan::~ConvPlan() = default;

void ConvPlan::run(cudnnContext* handle, const ConvOperands& operands) const {
  require(handle != nullptr, "{}: this plan is for a GPU that is only described; nothing can run there",
          problem_.to_string());
  const std::array<std::int64_t, 3> uids{kInputUid, kFilterUid, kOutputUid};
  const std::array<void*, 3> pointers{operands.input, operands.filter, operands.output};
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, problem_.to_string());
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, uids);
  pack.set_raw(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers.data());
  pack.set_raw(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &operands.workspace);
  pack.finalize();
  const cudnnStatus_t status = cudnnBackendExecute(handle, descriptors_->plan.get(), pack.get());
  if (status != CUDNN_STATUS_SUCCESS) check_cudnn(status, problem_.to_string());
}

// Makes plans for one GPU.
class ConvPlanner {
 public:
  explicit ConvPlanner(const GpuDescription& gpu) : name_(gpu.name) {
    require(cudnnGetVersion() >= 91100,
            "plans for a GPU that is not there need cuDNN 9.11 or newer; this is {}", cudnnGetVersion());
    properties_ = described_properties(gpu.properties_json);
  }
  explicit ConvPlanner(cudnnContext* handle) : name_("the GPU"), handle_(handle) {}

  [[nodiscard]] ConvPlan make(const ConvProblem& problem) const {
    std::vector<std::string> reasons;
    std::int64_t rank = 0;
    for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
      OperationGraph graph = operation_graph(problem, handle_);
      std::vector<CudnnDescriptor> configs = proposals(problem, graph, mode);
      for (CudnnDescriptor& config : configs) {
        ConvPlan plan;
        plan.problem_ = problem;
        plan.rank_ = rank++;
        std::string refusal;
        if (std::optional<CudnnDescriptor> built = build(plan, config, refusal)) {
          plan.descriptors_ = std::make_unique<ConvPlan::Descriptors>(
              ConvPlan::Descriptors{std::move(graph), std::move(config), std::move(*built)});
          return plan;
        }
        reasons.push_back(std::move(refusal));
      }
    }
    constexpr std::size_t kShown = 3;
    const std::size_t total = reasons.size();
    if (total > kShown) reasons.resize(kShown);
    fail("cuDNN {} has no engine on {} for the convolution '{}': {}", cudnnGetVersion(), name_,
         problem.to_string(),
         total == 0 ? "it proposes none" : fmt::format("{} proposed; {}", total, fmt::join(reasons, "; ")));
  }

 private:
  // Engine configurations in the order of a heuristic; none where cuDNN refuses to propose.
  [[nodiscard]] std::vector<CudnnDescriptor> proposals(const ConvProblem& problem,
                                                       const OperationGraph& graph,
                                                       cudnnBackendHeurMode_t mode) const {
    CudnnDescriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, problem.to_string());
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.graph);
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

  // Fills in the plan and returns its descriptor, or nothing and why the engine cannot be used.
  [[nodiscard]] std::optional<CudnnDescriptor> build(ConvPlan& plan, const CudnnDescriptor& config,
                                                     std::string& refusal) const {
    const CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR, "engine");
    cudnnBackendDescriptor_t pointer = engine.get();
    static_cast<void>(
        config.get_raw(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &pointer));
    plan.engine_index_ = engine.integer(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    const std::set<cudnnBackendNumericalNote_t> notes = numerical_notes(engine);
    if (const auto reason = forbidden(plan.problem_, notes)) {
      refusal = fmt::format("engine {} {}", plan.engine_index_, *reason);
      return std::nullopt;
    }
    plan.tensor_cores_ = notes.contains(CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
    plan.deterministic_ = !notes.contains(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
    CudnnDescriptor descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, plan.problem_.to_string());
    if (handle_ != nullptr) {
      descriptor.set_raw(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle_);
    }
    descriptor.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    if (properties_) descriptor.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *properties_);
    if (const cudnnStatus_t status = descriptor.try_finalize(); status != CUDNN_STATUS_SUCCESS) {
      refusal = fmt::format("engine {}: {}", plan.engine_index_, cudnn_reason(status));
      return std::nullopt;
    }
    plan.workspace_ = descriptor.integer(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
    const std::string knobs = knobs_text(config);
    plan.engine_ = fmt::format("engine {}{}{}", plan.engine_index_, knobs.empty() ? "" : ", knobs ", knobs);
    return descriptor;
  }

  std::string name_;
  cudnnHandle_t handle_ = nullptr;
  std::optional<CudnnDescriptor> properties_;
};

ConvPlanCache::ConvPlanCache(const GpuDescription& gpu) : planner_(std::make_unique<ConvPlanner>(gpu)) {}
ConvPlanCache::ConvPlanCache(cudnnContext* handle) : planner_(std::make_unique<ConvPlanner>(handle)) {}
ConvPlanCache::~ConvPlanCache() = default;

std::shared_ptr<const ConvPlan> ConvPlanCache::find(const ConvProblem& problem) {
  const std::lock_guard lock(mutex_);
  auto found = entries_.find(problem);
  if (found == entries_.end()) {
    Entry entry;
    try {
      entry.plan = std::make_shared<const ConvPlan>(planner_->make(problem));
    } catch (const Error& error) {
      entry.refusal = error.what();
    }
    found = entries_.emplace(problem, std::move(entry)).first;
  }
  if (found->second.plan == nullptr) throw Error(found->second.refusal);
  return found->second.plan;
}

std::int64_t ConvPlanCache::made() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(entries_.size());
}

std::string device_properties_json(int ordinal) {
  CudnnDescriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR,
                             fmt::format("properties of GPU {}", ordinal));
  const std::int32_t device = ordinal;
  properties.set_raw(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, 1, &device);
  properties.finalize();
  const std::int64_t length =
      properties.get_raw(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, 0, nullptr);
  std::string json(static_cast<std::size_t>(length), '\0');
  static_cast<void>(
      properties.get_raw(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, length, json.data()));
  while (!json.empty() && json.back() == '\0') json.pop_back();
  return json;
}

}  // namespace secateur
