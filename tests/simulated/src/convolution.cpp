// Stands in for cuDNN: plans of convolutions that compute what the problem says in float64, on maps and
// filters in the types and layouts that cuDNN would be given, with the fusions of backend/conv_problem.h
// where cuDNN has them. Cross-correlation: y[n, p, q, k] = sum over r, s, c of w[k, r, s, c] x[n, p * stride
// - padding + r * dilation, ..., c].
#include <algorithm>
#include <array>
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

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

// To fp16 and back: where cuDNN's graph has an fp16 tensor between two operations.
double rounded(double value) {
  std::array<std::byte, 2> stored{};
  encode_element(DType::f16, value, stored.data());
  return decode_element(DType::f16, stored.data());
}

// max(factor * x + offset, 0), each operation's result fp16, as the graph declares it.
void apply_norm_and_relu(std::vector<double>& x, const BatchNormOperands& norm, std::int64_t channels) {
  const std::vector<double> factor = read(norm.factor, DType::f16, channels);
  const std::vector<double> offset = read(norm.offset, DType::f16, channels);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % size(channels);
    const double moved = rounded(rounded(x[i] * factor[c]) + offset[c]);
    x[i] = moved <= 0 ? 0 : moved;  // passes NaN on
  }
}

// Sums over the map as it was stored.
void add_up(const void* map, const ConvProblem& p, float* sums) {
  const std::int64_t channels = p.output.channels;
  const std::vector<double> y = read(map, storage_type(p.precision), p.output_elements());
  std::vector<double> totals(size(2 * channels));
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t k = i % size(channels);
    totals[k] += y[i];
    totals[size(channels) + k] += y[i] * y[i];
  }
  write(totals, sums, DType::f32);
}

// Masks dz, the gradient that came out of the convolution, by the ReLU; then the gradients of the batch norm
// of x, which are of dz as it is stored.
void mask_and_differentiate(std::vector<double>& dz, const ConvProblem& p, const BatchNormOperands& norm) {
  const std::int64_t channels = p.input.channels;
  const std::vector<double> x = read(norm.x, DType::f16, p.input_elements());
  const auto of_channels = [&](const float* values) { return read(values, DType::f32, channels); };
  const std::vector<double> mean = of_channels(norm.mean);
  const std::vector<double> inverse = of_channels(norm.inverse_deviation);
  const std::vector<double> scale = of_channels(norm.scale);
  const std::vector<double> shift = of_channels(norm.shift);
  std::vector<double> dscale(size(channels)), dshift(size(channels)), factors(size(3 * channels));
  for (std::size_t i = 0; i < dz.size(); ++i) {
    const std::size_t c = i % size(channels);
    const double xhat = (x[i] - mean[c]) * inverse[c];
    dz[i] = xhat * scale[c] + shift[c] <= 0 ? 0 : rounded(dz[i]);
    dscale[c] += dz[i] * xhat;
    dshift[c] += dz[i];
  }
  // dx = scale * inverse * (dz - (dshift + xhat * dscale) / rows) as factors of dz, of x, and a constant.
  const double rows = static_cast<double>(dz.size()) / static_cast<double>(channels);
  for (std::size_t c = 0; c < size(channels); ++c) {
    const double factor = scale[c] * inverse[c];
    const double of_x = -factor * inverse[c] * dscale[c] / rows;
    factors[c] = factor;
    factors[size(channels) + c] = of_x;
    factors[size(2 * channels) + c] = -factor * dshift[c] / rows - of_x * mean[c];
  }
  write(dscale, norm.scale_gradient, DType::f32);
  write(dshift, norm.shift_gradient, DType::f32);
  write(factors, norm.factors, DType::f32);
}

void convolve(const ConvProblem& p, const ConvOperands& operands) {
  std::fill_n(static_cast<std::byte*>(operands.workspace), kScratch, std::byte{0xFF});
  const DType type = storage_type(p.precision);
  const std::int64_t channels = p.input.channels / p.groups;
  const bool forward = p.pass == ConvPass::forward;
  const bool applies = p.fusion == ConvFusion::norm_act;
  std::vector<double> x(size(p.input_elements())), w(size(p.filter_elements())), y(size(p.output_elements()));
  if (p.pass != ConvPass::input_gradient) {
    x = read(operands.input, type, p.input_elements());
    if (applies) apply_norm_and_relu(x, operands.norm, p.input.channels);
  }
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
  if (forward && p.fusion != ConvFusion::none) add_up(operands.output, p, operands.sums);
  if (p.pass == ConvPass::input_gradient) {
    if (applies) mask_and_differentiate(x, p, operands.norm);
    write(x, operands.input, type);
  }
  if (p.pass == ConvPass::weight_gradient) write(w, operands.filter, type);
}

// What is in memory besides input, filter, output and workspace.
std::vector<const void*> operands_of_fusion(const ConvProblem& p, const ConvOperands& operands) {
  if (p.fusion == ConvFusion::none) return {};
  const BatchNormOperands& norm = operands.norm;
  std::vector<const void*> result;
  if (p.pass == ConvPass::forward) result.push_back(operands.sums);
  if (p.fusion != ConvFusion::norm_act) return result;
  if (p.pass == ConvPass::input_gradient) {
    result.insert(result.end(), {norm.x, norm.mean, norm.inverse_deviation, norm.scale, norm.shift,
                                 norm.scale_gradient, norm.shift_gradient, norm.factors});
  } else {
    result.insert(result.end(), {norm.factor, norm.offset});
  }
  return result;
}

}  // namespace

std::shared_ptr<const ConvPlan> ConvPlanner::plan(const ConvProblem& problem) {
  require_fusible(problem);
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
  std::vector<const void*> in_memory = operands_of_fusion(problem_, operands);
  in_memory.insert(in_memory.end(), {operands.input, operands.filter, operands.output, operands.workspace});
  for (const void* operand : in_memory) {
    require(operand != nullptr && reinterpret_cast<std::uintptr_t>(operand) % 16 == 0,
            "{}: an operand is missing, or not aligned to 16 bytes", problem_.to_string());
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
