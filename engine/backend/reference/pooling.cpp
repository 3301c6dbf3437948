// max_pool, avg_pool, global_avg_pool.
#include <array>

#include "backend/reference/maps.h"
#include "backend/reference/reference_kernels.h"

namespace secateur::reference {
namespace {

// Calls visit(h, w) for the positions of an input map that output position (p, q) sees, row by row.
class Window {
 public:
  explicit Window(const KernelSetup& setup)
      : kernel_(setup.node.attributes.pair_or("kernel", 1)),
        stride_(setup.node.attributes.contains("stride") ? setup.node.attributes.pair_or("stride", 1)
                                                         : kernel_),
        padding_(setup.node.attributes.pair_or("padding", 0)),
        height_(setup.inputs[0].shape[1]),
        width_(setup.inputs[0].shape[2]) {}

  template <class Visit>
  void visit(std::int64_t p, std::int64_t q, Visit&& visit) const {
    for (std::int64_t r = 0; r < kernel_[0]; ++r) {
      for (std::int64_t s = 0; s < kernel_[1]; ++s) {
        const std::int64_t h = p * stride_[0] + r - padding_[0];
        const std::int64_t w = q * stride_[1] + s - padding_[1];
        if (h >= 0 && h < height_ && w >= 0 && w < width_) visit(h, w);
      }
    }
  }
  [[nodiscard]] std::int64_t size() const { return kernel_[0] * kernel_[1]; }

 private:
  std::array<std::int64_t, 2> kernel_, stride_, padding_;
  std::int64_t height_, width_;
};

// Calls visit(n, p, q, c) for each value of a map, one image a thread.
template <class Visit>
void for_values(const Tensor& map, Visit&& visit) {
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < map.shape[0]; ++n) {
    for (std::int64_t p = 0; p < map.shape[1]; ++p) {
      for (std::int64_t q = 0; q < map.shape[2]; ++q) {
        for (std::int64_t c = 0; c < map.shape[3]; ++c) visit(n, p, q, c);
      }
    }
  }
}

// The gradient goes to the first maximum of the window in row-major order. A NaN is larger than everything.
class MaxPool final : public Kernel {
 public:
  explicit MaxPool(const KernelSetup& setup) : window_(setup) {}

  void forward(const ForwardArguments& a) override {
    clear(a.output);
    for_values(a.output, [&](std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      pixel(a.output, n, p, q)[c] = *first_maximum(a.inputs[0], n, p, q, c);
    });
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& x = a.inputs[0];
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    clear(dx);
    for_values(a.output_gradient, [&](std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      const std::int64_t place = first_maximum(x, n, p, q, c) - x.as<double>();
      dx.as<double>()[place / x.leading * dx.leading + c] += pixel(a.output_gradient, n, p, q)[c];
    });
  }

 private:
  [[nodiscard]] const double* first_maximum(const Tensor& x, std::int64_t n, std::int64_t p, std::int64_t q,
                                            std::int64_t c) const {
    const double* best = nullptr;
    window_.visit(p, q, [&](std::int64_t h, std::int64_t w) {
      const double* candidate = pixel(x, n, h, w) + c;
      const bool is_nan = *candidate != *candidate;
      if (best == nullptr || *candidate > *best || (is_nan && *best == *best)) best = candidate;
    });
    return best;
  }

  Window window_;
};

// The mean over the window's positions inside the map, or over all of them with zeros outside
// (count_include_pad).
class AveragePool final : public Kernel {
 public:
  explicit AveragePool(const KernelSetup& setup)
      : window_(setup), count_include_pad_(setup.node.attributes.integer_or("count_include_pad", 0) != 0) {}

  void forward(const ForwardArguments& a) override {
    clear(a.output);
    for_values(a.output, [&](std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      double sum = 0;
      window_.visit(p, q, [&](std::int64_t h, std::int64_t w) { sum += pixel(a.inputs[0], n, h, w)[c]; });
      pixel(a.output, n, p, q)[c] = sum / divisor(p, q);
    });
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    clear(dx);
    for_values(a.output_gradient, [&](std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      const double share = pixel(a.output_gradient, n, p, q)[c] / divisor(p, q);
      window_.visit(p, q, [&](std::int64_t h, std::int64_t w) { pixel(dx, n, h, w)[c] += share; });
    });
  }

 private:
  [[nodiscard]] double divisor(std::int64_t p, std::int64_t q) const {
    if (count_include_pad_) return static_cast<double>(window_.size());
    double count = 0;
    window_.visit(p, q, [&](std::int64_t /*h*/, std::int64_t /*w*/) { count += 1; });
    return count;
  }

  Window window_;
  bool count_include_pad_;
};

class GlobalAveragePool final : public Kernel {
 public:
  explicit GlobalAveragePool(const KernelSetup& setup)
      : positions_(static_cast<double>(setup.inputs[0].shape[1] * setup.inputs[0].shape[2])) {}

  void forward(const ForwardArguments& a) override {
    clear(a.output);
    for_values(a.inputs[0], [&](std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      row_of(a.output, n)[c] += pixel(a.inputs[0], n, p, q)[c] / positions_;
    });
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    clear(dx);
    for_values(dx, [&](std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t c) {
      pixel(dx, n, p, q)[c] = row_of(a.output_gradient, n)[c] / positions_;
    });
  }

 private:
  double positions_;
};

}  // namespace

void register_pooling_kernels() {
  register_float64_kernel<MaxPool>("max_pool");
  register_float64_kernel<AveragePool>("avg_pool");
  register_float64_kernel<GlobalAveragePool>("global_avg_pool");
}

}  // namespace secateur::reference
