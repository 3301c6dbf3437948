// Stands in for cuDNN: plans of convolutions that compute what the problem says in float64, on maps and
// filters in the types and layouts that cuDNN would be given. Cross-correlation: y[n, p, q, k] = sum over
// r, s, c of w[k, r, s, c] x[n, p * stride - padding + r * dilation, ..., c].
#include <algorithm>
#include <functional>
#include <vector>

#include "cudnn.h"
#include "secateur/backend/conv_plan.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "simt/stream.h"

namespace secateur {

struct ConvPlan::Descriptors {};
class ConvPlanner {
 public:
  static std::shared_ptr<const ConvPlan> plan(const ConvProblem& problem);
};

namespace {

constexpr std::int64_t kScratch = 512;  // so that a workspace that is missing or too small is noticed

std::vector<double> read(const void* data, DType type, std::int64_t count) {
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(decode_element(type, static_cast<const std::byte*>(data) + i * size_of(type)));
  }
  return values;
}

void write(const std::vector<double>& values, void* data, DType type) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    encode_element(type, values[i],
                   static_cast<std::byte*>(data) + static_cast<std::int64_t>(i) * size_of(type));
  }
}

// Calls visit(input index, filter index, output index) of channel 0 of a group for every product of one
// channel; the innermost channels are the visitor's.
using Visit = std::function<void(std::int64_t x, std::int64_t w, std::int64_t y)>;

void for_each_product(const ConvProblem& p, const Visit& visit) {
  const std::int64_t group_in = p.input.channels / p.groups;
  const std::int64_t group_out = p.output.channels / p.groups;
  for (std::int64_t n = 0; n < p.batch; ++n) {
    for (std::int64_t h = 0; h < p.output.height; ++h) {
      for (std::int64_t v = 0; v < p.output.width; ++v) {
        for (std::int64_t r = 0; r < p.kernel[0]; ++r) {
          const std::int64_t row = h * p.stride[0] - p.padding[0] + r * p.dilation[0];
          if (row < 0 || row >= p.input.height) continue;
          for (std::int64_t s = 0; s < p.kernel[1]; ++s) {
            const std::int64_t column = v * p.stride[1] - p.padding[1] + s * p.dilation[1];
            if (column < 0 || column >= p.input.width) continue;
            const std::int64_t x = ((n * p.input.height + row) * p.input.width + column) * p.input.channels;
            const std::int64_t y = ((n * p.output.height + h) * p.output.width + v) * p.output.channels;
            for (std::int64_t k = 0; k < p.output.channels; ++k) {
              const std::int64_t w = ((k * p.kernel[0] + r) * p.kernel[1] + s) * group_in;
              visit(x + k / group_out * group_in, w, y + k);
            }
          }
        }
      }
    }
  }
}

void convolve(const ConvProblem& p, const ConvOperands& operands) {
  std::fill_n(static_cast<std::byte*>(operands.workspace), kScratch, std::byte{0xFF});
  const DType type = storage_type(p.precision);
  const std::int64_t channels = p.input.channels / p.groups;
  const auto size = [](std::int64_t count) { return static_cast<std::size_t>(count); };
  const bool forward = p.pass == ConvPass::forward;
  std::vector<double> x(size(p.input_elements())), w(size(p.filter_elements())), y(size(p.output_elements()));
  if (p.pass != ConvPass::input_gradient) x = read(operands.input, type, p.input_elements());
  if (p.pass != ConvPass::weight_gradient) w = read(operands.filter, type, p.filter_elements());
  if (!forward) y = read(operands.output, type, p.output_elements());
  for_each_product(p, [&](std::int64_t i, std::int64_t j, std::int64_t o) {
    const double* in = x.data() + i;
    const double* filter = w.data() + j;
    if (forward) {
      double sum = 0;
      for (std::int64_t c = 0; c < channels; ++c) sum += in[c] * filter[c];
      y[size(o)] += sum;
    } else if (p.pass == ConvPass::input_gradient) {
      for (std::int64_t c = 0; c < channels; ++c) x[size(i + c)] += y[size(o)] * filter[c];
    } else {
      for (std::int64_t c = 0; c < channels; ++c) w[size(j + c)] += y[size(o)] * in[c];
    }
  });
  if (forward) write(y, operands.output, type);
  if (p.pass == ConvPass::input_gradient) write(x, operands.input, type);
  if (p.pass == ConvPass::weight_gradient) write(w, operands.filter, type);
}

}  // namespace

std::shared_ptr<const ConvPlan> ConvPlanner::plan(const ConvProblem& problem) {
  const auto plan = std::shared_ptr<ConvPlan>(new ConvPlan);
  plan->problem_ = problem;
  plan->engine_ = "simulated";
  plan->workspace_ = kScratch;
  return plan;
}

ConvPlan::ConvPlan() = default;
ConvPlan::ConvPlan(ConvPlan&&) noexcept = default;
ConvPlan& ConvPlan::operator=(ConvPlan&&) noexcept = default;
ConvPlan::~ConvPlan() = default;

void ConvPlan::run(cudnnContext* handle, const ConvOperands& operands) const {
  require(handle != nullptr, "{}: no handle", problem_.to_string());
  for (const void* operand : {operands.input, operands.filter, operands.output, operands.workspace}) {
    require(reinterpret_cast<std::uintptr_t>(operand) % 16 == 0, "{}: an operand is not aligned to 16 bytes",
            problem_.to_string());
  }
  cudaStream_t stream = nullptr;
  require(cudnnGetStream(handle, &stream) == CUDNN_STATUS_SUCCESS, "the handle has no stream");
  simt::submit(stream, {.run =
                            [problem = problem_, operands] {
                              convolve(problem, operands);
                              return std::string();
                            },
                        .kernel = true});
}

ConvPlanCache::ConvPlanCache(const GpuDescription& gpu) : choices_(gpu.name, 1) {}
ConvPlanCache::ConvPlanCache(cudnnContext* /*handle*/) : choices_("simulated", 1) {}
ConvPlanCache::~ConvPlanCache() = default;
std::int64_t ConvPlanCache::recalled() const { return recalled_; }
ConvChoices ConvPlanCache::choices() const { return choices_; }

void ConvPlanCache::recall(ConvChoices choices) {
  require(choices.gpu() == choices_.gpu() && choices.cudnn() == choices_.cudnn(),
          "these choices are of another GPU or library");
  choices_ = std::move(choices);
}

std::int64_t ConvPlanCache::made() const { return static_cast<std::int64_t>(entries_.size()); }

std::shared_ptr<const ConvPlan> ConvPlanCache::find(const ConvProblem& problem) {
  Entry& entry = entries_[problem];
  if (entry.plan == nullptr) {
    recalled_ += choices_.find(problem) == nullptr ? 0 : 1;
    entry.plan = ConvPlanner::plan(problem);
    choices_.set(problem, entry.plan->choice());
  }
  return entry.plan;
}

}  // namespace secateur
