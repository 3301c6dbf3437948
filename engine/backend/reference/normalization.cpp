// batch_norm and batch_norm_act (Ioffe and Szegedy 2015): y = relu(scale * (x - mean) / sqrt(variance +
// epsilon) + shift
// + residual). With x_hat = (x - mean) / sqrt(variance + epsilon), m the number of values of a channel and g
// the gradient before the ReLU:
//   d shift = sum g,  d scale = sum g * x_hat,  d residual = g,
//   dx = scale / sqrt(variance + epsilon) * (g - d shift / m - x_hat * d scale / m)   with the batch's
//   statistics, dx = scale / sqrt(variance + epsilon) * g                                        with the
//   running ones.
#include <cmath>

#include "backend/reference/maps.h"
#include "backend/reference/reference_kernels.h"

namespace secateur::reference {
namespace {

enum Parameter : std::size_t { kScale, kShift, kRunningMean, kRunningVariance };

struct Moments {
  double mean = 0;
  double variance = 0;  // biased
};

class BatchNorm : public Kernel {
 public:
  explicit BatchNorm(const KernelSetup& setup) : BatchNorm(setup, false) {}

  void forward(const ForwardArguments& a) override {
    const Tensor& x = a.inputs[0];
    const auto* scale = a.parameters[kScale].as<double>();
    const auto* shift = a.parameters[kShift].as<double>();
    auto* running_mean = a.parameters[kRunningMean].as<double>();
    auto* running_variance = a.parameters[kRunningVariance].as<double>();
    clear(a.output);
    const std::int64_t count = x.rows();
#pragma omp parallel for schedule(static)
    for (std::int64_t c = 0; c < x.channels(); ++c) {
      const Moments moments = moments_of(x, c, a.parameters);
      for (std::int64_t r = 0; r < count; ++r) {
        row_of(a.output, r)[c] = value(x, r, c, moments, scale[c], shift[c], a.inputs);
      }
      if (batch_statistics_) {
        // A single value has no unbiased variance; the biased one, zero, stands in for it.
        const auto m = static_cast<double>(count);
        const double unbiased = count > 1 ? moments.variance * m / (m - 1) : moments.variance;
        running_mean[c] = (1 - momentum_) * running_mean[c] + momentum_ * moments.mean;
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
    const auto m = static_cast<double>(count);
    if (!dx.empty()) clear(dx);
    if (!residual_gradient.empty()) clear(residual_gradient);
#pragma omp parallel for schedule(static)
    for (std::int64_t c = 0; c < x.channels(); ++c) {
      const Moments moments = moments_of(x, c, a.parameters);
      const double deviation = std::sqrt(moments.variance + epsilon_);
      const auto gradient_before_relu = [&](std::int64_t r) {
        const bool passes = !relu_ || value(x, r, c, moments, scale[c], shift[c], a.inputs) > 0;
        return passes ? row_of(dy, r)[c] : 0.0;
      };
      double shift_gradient = 0;
      double scale_gradient = 0;
      for (std::int64_t r = 0; r < count; ++r) {
        const double g = gradient_before_relu(r);
        shift_gradient += g;
        scale_gradient += g * (row_of(x, r)[c] - moments.mean) / deviation;
      }
      if (!a.parameter_gradients.empty()) {
        if (!a.parameter_gradients[kScale].empty())
          a.parameter_gradients[kScale].as<double>()[c] = scale_gradient;
        if (!a.parameter_gradients[kShift].empty())
          a.parameter_gradients[kShift].as<double>()[c] = shift_gradient;
      }
      for (std::int64_t r = 0; r < count; ++r) {
        const double g = gradient_before_relu(r);
        if (!residual_gradient.empty()) row_of(residual_gradient, r)[c] = g;
        if (dx.empty()) continue;
        const double x_hat = (row_of(x, r)[c] - moments.mean) / deviation;
        const double centred = batch_statistics_ ? g - shift_gradient / m - x_hat * scale_gradient / m : g;
        row_of(dx, r)[c] = scale[c] / deviation * centred;
      }
    }
  }

 protected:
  BatchNorm(const KernelSetup& setup, bool relu)
      : batch_statistics_(setup.batch_statistics),
        epsilon_(setup.node.attributes.real_or("epsilon", 1e-5)),
        momentum_(setup.node.attributes.real_or("momentum", 0.1)),
        relu_(relu) {}

 private:
  [[nodiscard]] Moments moments_of(const Tensor& x, std::int64_t c,
                                   std::span<const Tensor> parameters) const {
    if (!batch_statistics_) {
      return {parameters[kRunningMean].as<double>()[c], parameters[kRunningVariance].as<double>()[c]};
    }
    Moments moments;
    const auto count = static_cast<double>(x.rows());
    for (std::int64_t r = 0; r < x.rows(); ++r) moments.mean += row_of(x, r)[c];
    moments.mean /= count;
    for (std::int64_t r = 0; r < x.rows(); ++r)
      moments.variance += std::pow(row_of(x, r)[c] - moments.mean, 2);
    moments.variance /= count;
    return moments;
  }

  [[nodiscard]] double value(const Tensor& x, std::int64_t r, std::int64_t c, const Moments& moments,
                             double scale, double shift, std::span<const Tensor> inputs) const {
    const double x_hat = (row_of(x, r)[c] - moments.mean) / std::sqrt(moments.variance + epsilon_);
    double result = scale * x_hat + shift;
    if (inputs.size() > 1) result += row_of(inputs[1], r)[c];
    return relu_ && result < 0 ? 0.0 : result;
  }

  bool batch_statistics_;
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
