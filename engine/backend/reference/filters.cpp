// conv2d and linear.
#include <array>

#include "backend/reference/maps.h"
#include "backend/reference/reference_kernels.h"

namespace secateur::reference {
namespace {

double dot(const double* a, const double* b, std::int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// y += factor * x
void add_scaled(double* y, double factor, const double* x, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] += factor * x[i];
}

// y[n, h, w, k] = bias[k] + sum over r, s, c of weight[k, r, s, c] * x[n, h*stride + r*dilation - padding,
// ..., c0 + c], with c0 the first input channel of k's group, and x zero outside the map.
class Conv2d final : public Kernel {
 public:
  explicit Conv2d(const KernelSetup& setup)
      : stride_(setup.node.attributes.pair_or("stride", 1)),
        padding_(setup.node.attributes.pair_or("padding", 0)),
        dilation_(setup.node.attributes.pair_or("dilation", 1)),
        groups_(setup.node.attributes.integer_or("groups", 1)),
        has_bias_(setup.node.attributes.integer_or("bias", 0) != 0) {}

  void forward(const ForwardArguments& a) override {
    const Tensor& x = a.inputs[0];
    const Tensor& y = a.output;
    const Filters filters(*this, a.parameters[0]);
    const double* bias = has_bias_ ? a.parameters[1].as<double>() : nullptr;
#pragma omp parallel for collapse(3) schedule(static)
    for (std::int64_t n = 0; n < y.shape[0]; ++n) {
      for (std::int64_t h = 0; h < y.shape[1]; ++h) {
        for (std::int64_t w = 0; w < y.shape[2]; ++w) {
          double* out = pixel(y, n, h, w);
          std::fill_n(out, y.leading, 0.0);
          if (has_bias_) std::copy_n(bias, filters.count, out);
          for (std::int64_t r = 0; r < filters.height; ++r) {
            for (std::int64_t s = 0; s < filters.width; ++s) {
              const double* in = input_pixel(x, n, input_row(h, r), input_column(w, s));
              if (in == nullptr) continue;
              for (std::int64_t k = 0; k < filters.count; ++k) {
                out[k] += dot(filters.at(k, r, s), in + filters.first_channel(k), filters.channels);
              }
            }
          }
        }
      }
    }
  }

  void backward(const BackwardArguments& a) override {
    if (!a.parameter_gradients.empty()) {
      if (!a.parameter_gradients[0].empty()) weight_gradient(a);
      if (has_bias_ && !a.parameter_gradients[1].empty()) bias_gradient(a);
    }
    if (!a.input_gradients[0].empty()) input_gradient(a);
  }

 private:
  // Weights (or their gradient) [K, R, S, C / groups].
  struct Filters {
    double* data;
    std::int64_t count, height, width, channels, per_group;
    Filters(const Conv2d& op, const Tensor& weight)
        : data(weight.as<double>()),
          count(weight.shape[0]),
          height(weight.shape[1]),
          width(weight.shape[2]),
          channels(weight.shape[3]),
          per_group(count / op.groups_) {}
    [[nodiscard]] double* at(std::int64_t k, std::int64_t r, std::int64_t s) const {
      return data + ((k * height + r) * width + s) * channels;
    }
    [[nodiscard]] std::int64_t first_channel(std::int64_t k) const { return k / per_group * channels; }
  };

  // Input row and column that tap (r, s) reads for output position (h, w).
  [[nodiscard]] std::int64_t input_row(std::int64_t h, std::int64_t r) const {
    return h * stride_[0] + r * dilation_[0] - padding_[0];
  }
  [[nodiscard]] std::int64_t input_column(std::int64_t w, std::int64_t s) const {
    return w * stride_[1] + s * dilation_[1] - padding_[1];
  }
  // Null outside the map.
  static double* input_pixel(const Tensor& map, std::int64_t n, std::int64_t h, std::int64_t w) {
    if (h < 0 || h >= map.shape[1] || w < 0 || w >= map.shape[2]) return nullptr;
    return pixel(map, n, h, w);
  }

  // d weight[k, r, s, c] = sum over n, h, w of dy[n, h, w, k] * x[n, row, column, c0 + c]
  void weight_gradient(const BackwardArguments& a) const {
    const Tensor& x = a.inputs[0];
    const Tensor& dy = a.output_gradient;
    const Filters gradient(*this, a.parameter_gradients[0]);
    clear(a.parameter_gradients[0]);
#pragma omp parallel for schedule(static)
    for (std::int64_t k = 0; k < gradient.count; ++k) {
      for (std::int64_t n = 0; n < dy.shape[0]; ++n) {
        for (std::int64_t h = 0; h < dy.shape[1]; ++h) {
          for (std::int64_t w = 0; w < dy.shape[2]; ++w) {
            const double factor = pixel(dy, n, h, w)[k];
            for (std::int64_t r = 0; r < gradient.height; ++r) {
              for (std::int64_t s = 0; s < gradient.width; ++s) {
                const double* in = input_pixel(x, n, input_row(h, r), input_column(w, s));
                if (in == nullptr) continue;
                add_scaled(gradient.at(k, r, s), factor, in + gradient.first_channel(k), gradient.channels);
              }
            }
          }
        }
      }
    }
  }

  // d bias[k] = sum over n, h, w of dy[n, h, w, k]
  static void bias_gradient(const BackwardArguments& a) {
    const Tensor& dy = a.output_gradient;
    clear(a.parameter_gradients[1]);
    auto* gradient = a.parameter_gradients[1].as<double>();
    for (std::int64_t r = 0; r < dy.rows(); ++r) add_scaled(gradient, 1.0, row_of(dy, r), dy.channels());
  }

  // The adjoint of forward, one image a thread: every product of the forward sum goes back to the x that it
  // read.
  void input_gradient(const BackwardArguments& a) const {
    const Tensor& dx = a.input_gradients[0];
    const Tensor& dy = a.output_gradient;
    const Filters filters(*this, a.parameters[0]);
    clear(dx);
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < dy.shape[0]; ++n) {
      for (std::int64_t h = 0; h < dy.shape[1]; ++h) {
        for (std::int64_t w = 0; w < dy.shape[2]; ++w) {
          const double* gradient = pixel(dy, n, h, w);
          for (std::int64_t r = 0; r < filters.height; ++r) {
            for (std::int64_t s = 0; s < filters.width; ++s) {
              double* in = input_pixel(dx, n, input_row(h, r), input_column(w, s));
              if (in == nullptr) continue;
              for (std::int64_t k = 0; k < filters.count; ++k) {
                add_scaled(in + filters.first_channel(k), gradient[k], filters.at(k, r, s), filters.channels);
              }
            }
          }
        }
      }
    }
  }

  std::array<std::int64_t, 2> stride_, padding_, dilation_;
  std::int64_t groups_;
  bool has_bias_;
};

// y[n, k] = bias[k] + sum over c of weight[k, c] * x[n, c]
class Linear final : public Kernel {
 public:
  explicit Linear(const KernelSetup& setup) : has_bias_(setup.node.attributes.integer_or("bias", 1) != 0) {}

  void forward(const ForwardArguments& a) override {
    const Tensor& x = a.inputs[0];
    const auto* weight = a.parameters[0].as<double>();
    const double* bias = has_bias_ ? a.parameters[1].as<double>() : nullptr;
    fill_rows(a.output, [&](std::int64_t n, std::int64_t k) {
      const double product = dot(weight + k * x.channels(), row_of(x, n), x.channels());
      return has_bias_ ? product + bias[k] : product;
    });
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& dy = a.output_gradient;
    if (!a.parameter_gradients.empty()) {
      if (!a.parameter_gradients[0].empty()) weight_gradient(a);
      if (has_bias_ && !a.parameter_gradients[1].empty()) {
        clear(a.parameter_gradients[1]);
        auto* gradient = a.parameter_gradients[1].as<double>();
        for (std::int64_t n = 0; n < dy.rows(); ++n) add_scaled(gradient, 1.0, row_of(dy, n), dy.channels());
      }
    }
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    const auto* weight = a.parameters[0].as<double>();
    clear(dx);
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < dx.rows(); ++n) {
      for (std::int64_t k = 0; k < dy.channels(); ++k) {
        add_scaled(row_of(dx, n), row_of(dy, n)[k], weight + k * dx.channels(), dx.channels());
      }
    }
  }

 private:
  static void weight_gradient(const BackwardArguments& a) {
    const Tensor& x = a.inputs[0];
    const Tensor& dy = a.output_gradient;
    clear(a.parameter_gradients[0]);
    auto* gradient = a.parameter_gradients[0].as<double>();
#pragma omp parallel for schedule(static)
    for (std::int64_t k = 0; k < dy.channels(); ++k) {
      for (std::int64_t n = 0; n < dy.rows(); ++n) {
        add_scaled(gradient + k * x.channels(), row_of(dy, n)[k], row_of(x, n), x.channels());
      }
    }
  }

  bool has_bias_;
};

}  // namespace

void register_filter_kernels() {
  register_float64_kernel<Conv2d>("conv2d");
  register_float64_kernel<Linear>("linear");
}

}  // namespace secateur::reference
