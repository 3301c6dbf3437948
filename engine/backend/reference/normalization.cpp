// batch_norm and batch_norm_act (Ioffe and Szegedy 2015): y = relu(scale * (x - mean) / sqrt(variance +
// epsilon) + shift
// + residual). With x_hat = (x - mean) / sqrt(variance + epsilon), m the number of values of a channel and g
// the gradient before the ReLU:
//   d shift = sum g,  d scale = sum g * x_hat,  d residual = g,
//   dx = scale / sqrt(variance + epsilon) * (g - d shift / m - x_hat * d scale / m)   with the batch's
//   statistics, dx = scale / sqrt(variance + epsilon) * g                                        with the
//   running ones.
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "backend/joined_moments.h"
#include "backend/reference/maps.h"
#include "backend/reference/reference_kernels.h"

namespace secateur::reference {
namespace {

enum Parameter : std::size_t { kScale, kShift, kRunningMean, kRunningVariance };

// Of every channel.
struct Moments {
  double count = 0;  // values of a channel
  std::vector<double> mean;
  std::vector<double> variance;  // biased
};

class BatchNorm : public Kernel {
 public:
  explicit BatchNorm(const KernelSetup& setup) : BatchNorm(setup, false) {}

  // Moments that other processes have a part in are kept; others are found again from x.
  KernelMemory memory() const override {
    return {.saved = shared_by_ != nullptr ? (1 + 2 * channels_) * size_of(DType::f64) : 0};
  }

  void forward(const ForwardArguments& a) override {
    const Tensor& x = a.inputs[0];
    const auto* scale = a.parameters[kScale].as<double>();
    const auto* shift = a.parameters[kShift].as<double>();
    auto* running_mean = a.parameters[kRunningMean].as<double>();
    auto* running_variance = a.parameters[kRunningVariance].as<double>();
    clear(a.output);
    const Moments moments = moments_of(x, a.parameters);
    if (shared_by_ != nullptr) save(moments, static_cast<double*>(a.saved));
#pragma omp parallel for schedule(static)
    for (std::int64_t c = 0; c < x.channels(); ++c) {
      const auto channel = static_cast<std::size_t>(c);
      for (std::int64_t r = 0; r < x.rows(); ++r) {
        row_of(a.output, r)[c] = value(x, r, c, moments, scale[c], shift[c], a.inputs);
      }
      if (batch_statistics_) {
        // A single value has no unbiased variance; the biased one, zero, stands in for it.
        const double m = moments.count;
        const double variance = moments.variance[channel];
        const double unbiased = m > 1 ? variance * m / (m - 1) : variance;
        running_mean[c] = (1 - momentum_) * running_mean[c] + momentum_ * moments.mean[channel];
        running_variance[c] = (1 - momentum_) * running_variance[c] + momentum_ * unbiased;
      }
    }
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& x = a.inputs[0];
    const Tensor& dy = a.output_gradient;
    const Tensor& dx = a.input_gradients[0];
    const Tensor residual_gradient = a.input_gradients.size() > 1 ? a.input_gradients[1] : Tensor();
    const auto* scale = a.parameters[kScale].as<double>();
    const auto* shift = a.parameters[kShift].as<double>();
    const std::int64_t count = x.rows();
    const Moments moments = shared_by_ != nullptr ? saved_moments(static_cast<const double*>(a.saved))
                                                  : moments_of(x, a.parameters);
    if (!dx.empty()) clear(dx);
    if (!residual_gradient.empty()) clear(residual_gradient);
    const auto gradient_before_relu = [&](std::int64_t r, std::int64_t c) {
      const bool passes = !relu_ || value(x, r, c, moments, scale[c], shift[c], a.inputs) > 0;
      return passes ? row_of(dy, r)[c] : 0.0;
    };
    const auto x_hat = [&](std::int64_t r, std::int64_t c) {
      return (row_of(x, r)[c] - moments.mean[static_cast<std::size_t>(c)]) / deviation(moments, c);
    };
    std::vector<double> sums(static_cast<std::size_t>(2 * channels_));  // of g, then of g * x_hat
#pragma omp parallel for schedule(static)
    for (std::int64_t c = 0; c < channels_; ++c) {
      for (std::int64_t r = 0; r < count; ++r) {
        const double g = gradient_before_relu(r, c);
        sums[static_cast<std::size_t>(c)] += g;
        sums[static_cast<std::size_t>(channels_ + c)] += g * x_hat(r, c);
      }
    }
    if (!a.parameter_gradients.empty()) {
      write(a.parameter_gradients[kShift], std::span(sums).first(static_cast<std::size_t>(channels_)));
      write(a.parameter_gradients[kScale], std::span(sums).last(static_cast<std::size_t>(channels_)));
    }
    if (shared_by_ != nullptr) shared_by_->sum(sums);
#pragma omp parallel for schedule(static)
    for (std::int64_t c = 0; c < channels_; ++c) {
      const double mean_gradient = sums[static_cast<std::size_t>(c)] / moments.count;
      const double mean_product = sums[static_cast<std::size_t>(channels_ + c)] / moments.count;
      for (std::int64_t r = 0; r < count; ++r) {
        const double g = gradient_before_relu(r, c);
        if (!residual_gradient.empty()) row_of(residual_gradient, r)[c] = g;
        if (dx.empty()) continue;
        const double centred = batch_statistics_ ? g - mean_gradient - x_hat(r, c) * mean_product : g;
        row_of(dx, r)[c] = scale[c] / deviation(moments, c) * centred;
      }
    }
  }

 protected:
  BatchNorm(const KernelSetup& setup, bool relu)
      : batch_statistics_(setup.batch_statistics),
        shared_by_(setup.batch_statistics ? setup.batch_shared_by : nullptr),
        channels_(setup.output.channels()),
        epsilon_(setup.node.attributes.real_or("epsilon", 1e-5)),
        momentum_(setup.node.attributes.real_or("momentum", 0.1)),
        relu_(relu) {}

 private:
  [[nodiscard]] Moments moments_of(const Tensor& x, std::span<const Tensor> parameters) const {
    Moments moments;
    moments.count = static_cast<double>(x.rows());
    moments.mean.assign(static_cast<std::size_t>(channels_), 0.0);
    moments.variance = moments.mean;
    if (!batch_statistics_) {
      std::copy_n(parameters[kRunningMean].as<double>(), channels_, moments.mean.begin());
      std::copy_n(parameters[kRunningVariance].as<double>(), channels_, moments.variance.begin());
      return moments;
    }
#pragma omp parallel for schedule(static)
    for (std::int64_t c = 0; c < channels_; ++c) {
      double& mean = moments.mean[static_cast<std::size_t>(c)];
      for (std::int64_t r = 0; r < x.rows(); ++r) mean += row_of(x, r)[c];
      mean /= moments.count;
      double& squares = moments.variance[static_cast<std::size_t>(c)];
      for (std::int64_t r = 0; r < x.rows(); ++r) squares += std::pow(row_of(x, r)[c] - mean, 2);
    }
    if (shared_by_ != nullptr) {
      moments.count = join_moments(*shared_by_, moments.count, moments.mean, moments.variance);
    }
    for (double& squares : moments.variance) squares /= moments.count;
    return moments;
  }

  void save(const Moments& moments, double* saved) const {
    saved[0] = moments.count;
    std::ranges::copy(moments.mean, saved + 1);
    std::ranges::copy(moments.variance, saved + 1 + channels_);
  }

  [[nodiscard]] Moments saved_moments(const double* saved) const {
    const double* variance = saved + 1 + channels_;
    return {saved[0], {saved + 1, variance}, {variance, variance + channels_}};
  }

  static void write(const Tensor& target, std::span<const double> values) {
    if (!target.empty()) std::ranges::copy(values, target.as<double>());
  }

  [[nodiscard]] double deviation(const Moments& moments, std::int64_t c) const {
    return std::sqrt(moments.variance[static_cast<std::size_t>(c)] + epsilon_);
  }

  [[nodiscard]] double value(const Tensor& x, std::int64_t r, std::int64_t c, const Moments& moments,
                             double scale, double shift, std::span<const Tensor> inputs) const {
    const double x_hat =
        (row_of(x, r)[c] - moments.mean[static_cast<std::size_t>(c)]) / deviation(moments, c);
    double result = scale * x_hat + shift;
    if (inputs.size() > 1) result += row_of(inputs[1], r)[c];
    return relu_ && result < 0 ? 0.0 : result;
  }

  bool batch_statistics_;
  Communicator* shared_by_;  // null: the batch is this process's alone
  std::int64_t channels_;
  double epsilon_;
  double momentum_;
  bool relu_;
};

class BatchNormAct final : public BatchNorm {
 public:
  explicit BatchNormAct(const KernelSetup& setup)
      : BatchNorm(setup, setup.node.attributes.integer_or("relu", 1) != 0) {}
};

}  // namespace

void register_normalization_kernels() {
  register_float64_kernel<BatchNorm>("batch_norm");
  register_float64_kernel<BatchNormAct>("batch_norm_act");
}

}  // namespace secateur::reference
