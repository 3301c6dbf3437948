#include "secateur/backend/conv_plan.h"

#include <array>

#include "backend/cuda/cudnn_descriptor.h"
#include "backend/cuda/plan_search.h"
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

}  // namespace

struct ConvPlan::Descriptors {
  OperationGraph graph;
  EnginePlan engine;
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
  const cudnnStatus_t status = cudnnBackendExecute(handle, descriptors_->engine.plan.get(), pack.get());
  if (status != CUDNN_STATUS_SUCCESS) check_cudnn(status, problem_.to_string());
}

// Makes plans for one GPU.
class ConvPlanner {
 public:
  explicit ConvPlanner(const GpuDescription& gpu) : search_(gpu) {}
  explicit ConvPlanner(cudnnContext* handle) : search_(handle) {}

  [[nodiscard]] ConvPlan make(const ConvProblem& problem) const {
    OperationGraph graph = operation_graph(problem, search_.handle());
    EnginePlan engine = search_.find(
        graph.graph,
        {.deterministic = problem.deterministic, .plain_fp32 = problem.precision == Precision::fp32},
        fmt::format("the convolution '{}'", problem.to_string()));
    ConvPlan plan;
    plan.problem_ = problem;
    plan.engine_ = engine.engine;
    plan.engine_index_ = engine.engine_index;
    plan.workspace_ = engine.workspace;
    plan.rank_ = engine.rank;
    plan.tensor_cores_ = engine.tensor_cores;
    plan.deterministic_ = engine.deterministic;
    plan.descriptors_ =
        std::make_unique<ConvPlan::Descriptors>(ConvPlan::Descriptors{std::move(graph), std::move(engine)});
    return plan;
  }

 private:
  PlanSearch search_;
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
