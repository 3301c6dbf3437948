// batch_norm and batch_norm_act: y = relu(scale * (x - mean) / sqrt(variance + epsilon) + shift + residual).
// Ioffe and Szegedy (2015). Forward reads the map twice and writes it once; the gradient likewise, with the
// output gradient beside it.
#include <array>
#include <cmath>
#include <vector>

#include "backend/cpu/batch_moments.h"
#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/rows.h"
#include "backend/joined_moments.h"

namespace secateur::cpu {
namespace {

constexpr std::int64_t kLanes = 128;
enum Parameter : std::size_t { kScale, kShift, kRunningMean, kRunningVariance };

std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

// A workspace handed out from its start; with a null pointer it only counts.
class Carver {
 public:
  explicit Carver(void* memory) : memory_(static_cast<std::byte*>(memory)) {}
  template <class T>
  T* take(std::int64_t count) {
    T* part = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + used_);
    used_ += aligned(count * static_cast<std::int64_t>(sizeof(T)));
    return part;
  }
  [[nodiscard]] std::int64_t used() const { return used_; }

 private:
  std::byte* memory_;
  std::int64_t used_ = 0;
};

// Scratch of one call; `moments` are two doubles a channel.
struct Scratch {
  double* chunks;
  double* first;
  double* second;
  float* lanes;
  float* correction;  // two more columns of lanes for the backward pass

  Scratch(Carver& carver, std::int64_t channels, std::int64_t lane_count)
      : chunks(carver.take<double>(moments_scratch(channels))),
        first(carver.take<double>(channels)),
        second(carver.take<double>(channels)),
        lanes(carver.take<float>(LaneTable::kColumns * lane_count)),
        correction(carver.take<float>(2 * lane_count)) {}
};

template <class T, bool relu, bool residual>
void normalize(const RowLoop& loop, const LaneTable& table, const Tensor& input, const Tensor& added,
               const Tensor& output) {
  const auto* x = input.as<T>();
  const auto* z = residual ? added.as<T>() : nullptr;
  auto* y = output.as<T>();
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < loop.rows; ++row) {
    const T* in = x + row * loop.stride(input);
    const T* plus = residual ? z + row * loop.stride(added) : in;
    T* out = y + row * loop.stride(output);
    const std::int64_t lanes = loop.lanes_of(row);
#pragma omp simd
    for (std::int64_t l = 0; l < lanes; ++l) {
      float value = ((in[l] - table.mean[l]) - table.rest[l]) * table.factor[l] + table.shift[l];
      if constexpr (residual) value += plus[l];
      if constexpr (relu) value = value < 0 ? 0.0F : value;  // a NaN stays one
      out[l] = value;
    }
  }
}

// dx = factor * (dz - by_one - x_hat * by_x), dr = dz; either may be absent.
template <class T, GradientGate gate, bool to_input, bool to_residual>
void spread_gradient(const RowLoop& loop, const LaneTable& table, const float* by_one, const float* by_x,
                     const BackwardArguments& arguments, const Tensor& residual_gradient) {
  const Tensor& input = arguments.inputs[0];
  const Tensor& gradient = arguments.output_gradient;
  const Tensor& input_gradient = arguments.input_gradients[0];
  const auto* x = input.as<T>();
  const auto* y = gate == GradientGate::by_output ? arguments.output.as<T>() : nullptr;
  const auto* dy = gradient.as<T>();
  auto* dx = to_input ? input_gradient.as<T>() : nullptr;
  auto* dr = to_residual ? residual_gradient.as<T>() : nullptr;
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < loop.rows; ++row) {
    const T* in = x + row * loop.stride(input);
    const T* value = gate == GradientGate::by_output ? y + row * loop.stride(arguments.output) : in;
    const T* from = dy + row * loop.stride(gradient);
    T* out = to_input ? dx + row * loop.stride(input_gradient) : nullptr;
    T* rest = to_residual ? dr + row * loop.stride(residual_gradient) : nullptr;
    const std::int64_t lanes = loop.lanes_of(row);
#pragma omp simd
    for (std::int64_t l = 0; l < lanes; ++l) {
      const float deviation = (in[l] - table.mean[l]) - table.rest[l];
      float dz = from[l];
      if constexpr (gate == GradientGate::by_output) dz = value[l] > 0 ? dz : 0.0F;
      if constexpr (gate == GradientGate::recomputed) {
        dz = deviation * table.factor[l] + table.shift[l] > 0 ? dz : 0.0F;
      }
      if constexpr (to_residual) rest[l] = dz;
      if constexpr (to_input)
        out[l] = table.factor[l] * (dz - by_one[l] - deviation * table.inverse[l] * by_x[l]);
    }
  }
}

template <class T>
class BatchNorm : public Kernel {
 public:
  explicit BatchNorm(const KernelSetup& setup) : BatchNorm(setup, false) {}

  KernelMemory memory() const override {
    Carver carver(nullptr);
    [[maybe_unused]] const Scratch scratch(carver, widest_, lane_count_);
    KernelMemory memory;
    memory.forward_workspace = carver.used();
    if (has_backward_) {
      memory.backward_workspace = carver.used();
      // Mean and 1 / deviation, so that the backward pass does not depend on what happens to the statistics;
      // then the number of values of a channel, which other processes have parts of.
      memory.saved = (2 * channels_ + 1) * size_of(DType::f64);
    }
    memory.backward_needs_output = gate_ == GradientGate::by_output;
    return memory;
  }

  void forward(const ForwardArguments& arguments) override {
    const Tensor& input = arguments.inputs[0];
    const Tensor residual = has_residual_ ? arguments.inputs[1] : Tensor();
    const RowLoop loop = row_loop(std::array{input, arguments.output, residual}, kLanes);
    Carver carver(arguments.workspace);
    const Scratch scratch(carver, widest_, lane_count_);
    double* mean = scratch.first;
    double* inverse = scratch.second;
    auto rows = static_cast<double>(input.rows());
    if (batch_statistics_) {
      batch_moments<T>(loop, input, scratch.chunks, mean, inverse);
      if (shared_by_ != nullptr) {
        const auto channels = static_cast<std::size_t>(channels_);
        rows = join_moments(*shared_by_, rows, {mean, channels}, {inverse, channels});
      }
      update_running(arguments, rows, mean, inverse);
      for (std::int64_t c = 0; c < channels_; ++c) inverse[c] = 1.0 / std::sqrt(inverse[c] / rows + epsilon_);
    } else {
      running_statistics(arguments.parameters, mean, inverse);
    }
    if (has_backward_) {
      auto* saved = static_cast<double*>(arguments.saved);
      std::copy_n(mean, channels_, saved);
      std::copy_n(inverse, channels_, saved + channels_);
      saved[2 * channels_] = rows;
    }
    const LaneTable table(scratch.lanes, loop.lanes);
    fill(table, loop, mean, inverse, arguments.parameters);
    if (relu_) {
      has_residual_ ? normalize<T, true, true>(loop, table, input, residual, arguments.output)
                    : normalize<T, true, false>(loop, table, input, residual, arguments.output);
    } else {
      has_residual_ ? normalize<T, false, true>(loop, table, input, residual, arguments.output)
                    : normalize<T, false, false>(loop, table, input, residual, arguments.output);
    }
    if (!loop.shared) zero_padding<T>(arguments.output);
  }

  void backward(const BackwardArguments& arguments) override {
    const Tensor residual = has_residual_ ? arguments.input_gradients[1] : Tensor();
    const RowLoop loop = row_loop(std::array{arguments.inputs[0], arguments.output_gradient,
                                             gate_ == GradientGate::by_output ? arguments.output : Tensor(),
                                             arguments.input_gradients[0], residual},
                                  kLanes);
    Carver carver(arguments.workspace);
    const Scratch scratch(carver, widest_, lane_count_);
    const auto* saved = static_cast<const double*>(arguments.saved);
    const LaneTable table(scratch.lanes, loop.lanes);
    fill(table, loop, saved, saved + channels_, arguments.parameters);

    float* by_one = scratch.correction;
    float* by_x = scratch.correction + loop.lanes;
    std::fill_n(scratch.correction, 2 * loop.lanes, 0.0F);
    if (parameters_wanted_ || batch_statistics_) {
      gradient_moments<T>(loop, gate_, arguments.inputs[0], arguments.output, arguments.output_gradient,
                          table, scratch.chunks, scratch.first, scratch.second);
      if (parameters_wanted_) {
        write_gradient(arguments.parameter_gradients[kScale], scratch.second);
        write_gradient(arguments.parameter_gradients[kShift], scratch.first);
      }
      // Running statistics do not depend on the batch, so nothing flows through them.
      if (batch_statistics_) {
        const double rows = saved[2 * channels_];
        if (shared_by_ != nullptr) sum_over_parts(scratch.first, scratch.second);
        for (std::int64_t l = 0; l < loop.lanes; ++l) {
          by_one[l] = static_cast<float>(scratch.first[l % loop.period] / rows);
          by_x[l] = static_cast<float>(scratch.second[l % loop.period] / rows);
        }
      }
    }
    spread(loop, table, by_one, by_x, arguments, residual);
    if (!loop.shared) {
      for (const Tensor& target : arguments.input_gradients) {
        if (!target.empty()) zero_padding<T>(target);
      }
    }
  }

 protected:
  BatchNorm(const KernelSetup& setup, bool relu)
      : batch_statistics_(setup.batch_statistics),
        shared_by_(setup.batch_shared_by),
        has_backward_(setup.has_backward()),
        has_residual_(setup.inputs.size() > 1),
        parameters_wanted_(setup.parameter_gradients_wanted),
        relu_(relu),
        channels_(setup.output.channels()) {
    const Attributes& attributes = setup.node.attributes;
    epsilon_ = attributes.real_or("epsilon", 1e-5);
    momentum_ = attributes.real_or("momentum", 0.1);
    if (relu_) gate_ = has_residual_ ? GradientGate::by_output : GradientGate::recomputed;
    // Which rows can be merged is known per call; this bounds the lanes of either case.
    widest_ = setup.inputs[0].leading;
    lane_count_ = most_lanes(widest_, kLanes);
  }

 private:
  void running_statistics(std::span<const Tensor> parameters, double* mean, double* inverse) const {
    const auto* running_mean = parameters[kRunningMean].as<float>();
    const auto* running_variance = parameters[kRunningVariance].as<float>();
    for (std::int64_t c = 0; c < channels_; ++c) {
      mean[c] = running_mean[c];
      inverse[c] = 1.0 / std::sqrt(static_cast<double>(running_variance[c]) + epsilon_);
    }
  }

  void sum_over_parts(double* first, double* second) const {
    std::vector<double> sums(first, first + channels_);
    sums.insert(sums.end(), second, second + channels_);
    shared_by_->sum(sums);
    std::copy_n(sums.begin(), channels_, first);
    std::copy_n(sums.begin() + channels_, channels_, second);
  }

  void update_running(const ForwardArguments& arguments, double rows, const double* mean,
                      const double* squares) const {
    auto* running_mean = arguments.parameters[kRunningMean].as<float>();
    auto* running_variance = arguments.parameters[kRunningVariance].as<float>();
    // A single value has no unbiased variance; its deviation is zero either way.
    const double freedom = std::max(rows - 1, 1.0);
    for (std::int64_t c = 0; c < channels_; ++c) {
      running_mean[c] = static_cast<float>((1 - momentum_) * running_mean[c] + momentum_ * mean[c]);
      running_variance[c] =
          static_cast<float>((1 - momentum_) * running_variance[c] + momentum_ * squares[c] / freedom);
    }
  }

  // Padding lanes get zeros throughout, which makes zeros of them in either direction.
  void fill(const LaneTable& table, const RowLoop& loop, const double* mean, const double* inverse,
            std::span<const Tensor> parameters) const {
    const auto* scale = parameters[kScale].as<float>();
    const auto* shift = parameters[kShift].as<float>();
    std::fill_n(table.mean, LaneTable::kColumns * loop.lanes, 0.0F);
    for (std::int64_t first = 0; first < loop.lanes; first += loop.period) {
      for (std::int64_t c = 0; c < channels_; ++c) {
        const std::int64_t l = first + c;
        table.mean[l] = static_cast<float>(mean[c]);
        table.rest[l] = static_cast<float>(mean[c] - static_cast<double>(table.mean[l]));
        table.inverse[l] = static_cast<float>(inverse[c]);
        table.factor[l] = static_cast<float>(inverse[c] * scale[c]);
        table.shift[l] = shift[c];
      }
    }
  }

  void write_gradient(const Tensor& target, const double* sums) const {
    if (target.empty()) return;
    auto* out = target.as<float>();
    for (std::int64_t c = 0; c < channels_; ++c) out[c] = static_cast<float>(sums[c]);
  }

  void spread(const RowLoop& loop, const LaneTable& table, const float* by_one, const float* by_x,
              const BackwardArguments& arguments, const Tensor& residual) const {
    const auto run = [&]<GradientGate gate>() {
      const bool to_input = !arguments.input_gradients[0].empty();
      const bool to_residual = !residual.empty();
      if (to_input && to_residual) {
        spread_gradient<T, gate, true, true>(loop, table, by_one, by_x, arguments, residual);
      } else if (to_input) {
        spread_gradient<T, gate, true, false>(loop, table, by_one, by_x, arguments, residual);
      } else if (to_residual) {
        spread_gradient<T, gate, false, true>(loop, table, by_one, by_x, arguments, residual);
      }
    };
    switch (gate_) {
      case GradientGate::open:
        return run.template operator()<GradientGate::open>();
      case GradientGate::by_output:
        return run.template operator()<GradientGate::by_output>();
      case GradientGate::recomputed:
        return run.template operator()<GradientGate::recomputed>();
    }
  }

  bool batch_statistics_;
  Communicator* shared_by_;  // null: the batch is this process's alone
  bool has_backward_;
  bool has_residual_;
  bool parameters_wanted_;
  bool relu_;
  std::int64_t channels_;
  std::int64_t widest_ = 0;
  std::int64_t lane_count_ = 0;
  double epsilon_ = 0;
  double momentum_ = 0;
  GradientGate gate_ = GradientGate::open;
};

template <class T>
class BatchNormAct final : public BatchNorm<T> {
 public:
  explicit BatchNormAct(const KernelSetup& setup)
      : BatchNorm<T>(setup, setup.node.attributes.integer_or("relu", 1) != 0) {}
};

}  // namespace

void register_normalization_kernels() {
  register_map_kernel<BatchNorm>("batch_norm");
  register_map_kernel<BatchNormAct>("batch_norm_act");
}

}  // namespace secateur::cpu
