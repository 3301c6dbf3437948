#include "secateur/backend/conv_plan.h"

#include <optional>
#include <vector>

#include "backend/cuda/conv_graph.h"
#include "backend/cuda/plan_search.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

void* address_of(ConvTensor which, const ConvProblem& problem, const ConvOperands& operands) {
  const BatchNormOperands& norm = operands.norm;
  switch (which) {
    case ConvTensor::input:
      return operands.input;
    case ConvTensor::filter:
      return operands.filter;
    case ConvTensor::output:
      return operands.output;
    case ConvTensor::sum:
      return operands.sums;
    case ConvTensor::sum_of_squares:
      return operands.sums + problem.output.channels;
    case ConvTensor::factor:
      return norm.factor;
    case ConvTensor::offset:
      return norm.offset;
    case ConvTensor::mean:
      return norm.mean;
    case ConvTensor::inverse_deviation:
      return norm.inverse_deviation;
    case ConvTensor::scale:
      return norm.scale;
    case ConvTensor::shift:
      return norm.shift;
    case ConvTensor::scale_gradient:
      return norm.scale_gradient;
    case ConvTensor::shift_gradient:
      return norm.shift_gradient;
    case ConvTensor::gradient_factor:
      return norm.factors;
    case ConvTensor::input_factor:
      return norm.factors + problem.input.channels;
    case ConvTensor::constant:
      return norm.factors + 2 * problem.input.channels;
    case ConvTensor::normalized:
      return norm.x;
  }
  fail("{}: it has no tensor {}", problem.to_string(), static_cast<std::int64_t>(which));
}

}  // namespace

struct ConvPlan::Descriptors {
  ConvGraph graph;
  EnginePlan engine;
};

ConvPlan::ConvPlan() = default;
ConvPlan::ConvPlan(ConvPlan&&) noexcept = default;
ConvPlan& ConvPlan::operator=(ConvPlan&&) noexcept = default;
ConvPlan::~ConvPlan() = default;

void ConvPlan::run(cudnnContext* handle, const ConvOperands& operands) const {
  require(handle != nullptr, "{}: this plan is for a GPU that is only described; nothing can run there",
          problem_.to_string());
  std::vector<std::int64_t> uids;
  std::vector<void*> pointers;
  for (const ConvTensor tensor : descriptors_->graph.tensors()) {
    uids.push_back(static_cast<std::int64_t>(tensor));
    pointers.push_back(address_of(tensor, problem_, operands));
  }
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, problem_.to_string());
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, uids);
  pack.set_raw(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::ssize(pointers),
               static_cast<const void*>(pointers.data()));
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

  [[nodiscard]] const std::string& gpu() const { return search_.gpu(); }

  [[nodiscard]] ConvPlan make(const ConvProblem& problem) const {
    ConvGraph graph(problem, search_.handle());
    EnginePlan engine = search_.find(graph.graph(), rules_of(problem), name_of(problem));
    return plan_of(problem, std::move(graph), std::move(engine));
  }

  // The plan of a choice that was made before; nothing where cuDNN does not take it, or it may not be used.
  [[nodiscard]] std::optional<ConvPlan> make(const ConvProblem& problem, const ConvChoice& choice) const {
    ConvGraph graph(problem, search_.handle());
    std::optional<EnginePlan> engine =
        search_.recall(graph.graph(), rules_of(problem), choice, name_of(problem));
    if (!engine) return std::nullopt;
    return plan_of(problem, std::move(graph), std::move(*engine));
  }

 private:
  static EngineRules rules_of(const ConvProblem& problem) {
    return {.deterministic = problem.deterministic, .plain_fp32 = problem.precision == Precision::fp32};
  }

  static std::string name_of(const ConvProblem& problem) {
    return fmt::format("the convolution '{}'", problem.to_string());
  }

  static ConvPlan plan_of(const ConvProblem& problem, ConvGraph graph, EnginePlan engine) {
    ConvPlan plan;
    plan.problem_ = problem;
    plan.engine_ = engine.engine;
    plan.choice_ = engine.choice;
    plan.workspace_ = engine.workspace;
    plan.tensor_cores_ = engine.tensor_cores;
    plan.deterministic_ = engine.deterministic;
    plan.descriptors_ =
        std::make_unique<ConvPlan::Descriptors>(ConvPlan::Descriptors{std::move(graph), std::move(engine)});
    return plan;
  }

  PlanSearch search_;
};

ConvPlanCache::ConvPlanCache(const GpuDescription& gpu)
    : planner_(std::make_unique<ConvPlanner>(gpu)),
      choices_(planner_->gpu(), static_cast<std::int64_t>(cudnnGetVersion())) {}
ConvPlanCache::ConvPlanCache(cudnnContext* handle)
    : planner_(std::make_unique<ConvPlanner>(handle)),
      choices_(planner_->gpu(), static_cast<std::int64_t>(cudnnGetVersion())) {}
ConvPlanCache::~ConvPlanCache() = default;

std::shared_ptr<const ConvPlan> ConvPlanCache::find(const ConvProblem& problem) {
  const std::lock_guard lock(mutex_);
  auto found = entries_.find(problem);
  if (found == entries_.end()) {
    Entry entry;
    try {
      const ConvChoice* choice = choices_.find(problem);
      std::optional<ConvPlan> plan = choice == nullptr ? std::nullopt : planner_->make(problem, *choice);
      recalled_ += plan ? 1 : 0;
      if (!plan) plan = planner_->make(problem);
      choices_.set(problem, plan->choice());
      entry.plan = std::make_shared<const ConvPlan>(std::move(*plan));
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

std::int64_t ConvPlanCache::recalled() const {
  const std::lock_guard lock(mutex_);
  return recalled_;
}

void ConvPlanCache::recall(ConvChoices choices) {
  const std::lock_guard lock(mutex_);
  require(choices.gpu() == choices_.gpu() && choices.cudnn() == choices_.cudnn(),
          "the choices of engines are of cuDNN {} on {}, and this is cuDNN {} on {}", choices.cudnn(),
          choices.gpu(), choices_.cudnn(), choices_.gpu());
  for (const auto& [problem, entry] : entries_) {
    if (entry.plan != nullptr) choices.set(problem, entry.plan->choice());
  }
  choices_ = std::move(choices);
}

ConvChoices ConvPlanCache::choices() const {
  const std::lock_guard lock(mutex_);
  return choices_;
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
