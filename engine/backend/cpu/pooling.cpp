#include <cmath>
#include <limits>
#include <type_traits>

#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/rows.h"

namespace secateur::cpu {
namespace {

// Channels whose sums are kept side by side.
constexpr std::int64_t kLanes = 64;

// A pooling window over one map, cut at the map's borders.
struct Window {
  std::int64_t kernel[2], stride[2], padding[2];
  std::int64_t in[2], out[2];

  struct Span {
    std::int64_t begin, end;
  };
  // Input positions along an axis that output `position` sees.
  [[nodiscard]] Span span(int axis, std::int64_t position) const {
    const std::int64_t start = position * stride[axis] - padding[axis];
    return {std::max<std::int64_t>(start, 0), std::min(start + kernel[axis], in[axis])};
  }

  explicit Window(const KernelSetup& setup) {
    const Attributes& attributes = setup.node.attributes;
    const auto k = attributes.pair_or("kernel", 1);
    const auto s = attributes.contains("stride") ? attributes.pair_or("stride", 1) : k;
    const auto p = attributes.pair_or("padding", 0);
    for (int axis = 0; axis < 2; ++axis) {
      const auto a = static_cast<std::size_t>(axis);
      kernel[axis] = k[a];
      stride[axis] = s[a];
      padding[axis] = p[a];
      in[axis] = setup.inputs[0].shape[axis + 1];
      out[axis] = setup.output.shape[axis + 1];
    }
  }
};

// The place of each maximum is kept as its index in the window, one byte where that is enough.
template <class T>
class MaxPool final : public Kernel {
 public:
  explicit MaxPool(const KernelSetup& setup)
      : window_(setup),
        channels_(setup.output.channels()),
        samples_(setup.output.shape[0]),
        keeps_places_(setup.has_backward()) {
    small_ = window_.kernel[0] * window_.kernel[1] <= std::numeric_limits<std::uint8_t>::max() + 1;
  }

  KernelMemory memory() const override {
    KernelMemory memory{.backward_needs_inputs = false};
    const std::int64_t values = samples_ * window_.out[0] * window_.out[1] * channels_;
    if (keeps_places_) memory.saved = values * (small_ ? 1 : size_of(DType::i32));
    return memory;
  }

  void forward(const ForwardArguments& arguments) override {
    small_ ? find<std::uint8_t>(arguments) : find<std::int32_t>(arguments);
  }

  void backward(const BackwardArguments& arguments) override {
    if (arguments.input_gradients[0].empty()) return;
    small_ ? scatter<std::uint8_t>(arguments) : scatter<std::int32_t>(arguments);
  }

 private:
  template <class Place>
  void find(const ForwardArguments& arguments) const {
    const Tensor& input = arguments.inputs[0];
    const Tensor& output = arguments.output;
    const auto* x = input.as<T>();
    auto* y = output.as<T>();
    auto* saved = keeps_places_ ? static_cast<Place*>(arguments.saved) : nullptr;
#pragma omp parallel for collapse(2) schedule(static)
    for (std::int64_t n = 0; n < samples_; ++n) {
      for (std::int64_t h = 0; h < window_.out[0]; ++h) {
        const Window::Span rows = window_.span(0, h);
        for (std::int64_t w = 0; w < window_.out[1]; ++w) {
          const Window::Span columns = window_.span(1, w);
          const std::int64_t position = (n * window_.out[0] + h) * window_.out[1] + w;
          T* best = y + position * output.leading;
          Place* place = saved == nullptr ? nullptr : saved + position * channels_;
          bool first = true;
          for (std::int64_t r = rows.begin; r < rows.end; ++r) {
            for (std::int64_t c = columns.begin; c < columns.end; ++c) {
              const T* in = x + ((n * window_.in[0] + r) * window_.in[1] + c) * input.leading;
              const auto index = static_cast<Place>((r - rows.begin) * window_.kernel[1] + c - columns.begin);
              take(in, index, first, best, place);
              first = false;
            }
          }
          std::fill(best + channels_, best + output.leading, T{});
        }
      }
    }
  }

  template <class Place>
  void take(const T* in, Place index, bool first, T* best, Place* place) const {
    if (first) {
      std::copy_n(in, channels_, best);
      if (place != nullptr) std::fill_n(place, channels_, index);
      return;
    }
    // The places before the values that they are compared by.
    if (place != nullptr) {
#pragma omp simd
      for (std::int64_t c = 0; c < channels_; ++c) place[c] = wins(in[c], best[c]) ? index : place[c];
    }
#pragma omp simd
    for (std::int64_t c = 0; c < channels_; ++c) best[c] = wins(in[c], best[c]) ? in[c] : best[c];
  }

  // A NaN wins, so that a diverged run is seen; among equals the first stays.
  static bool wins(float value, float best) { return value > best || value != value; }

  template <class Place>
  void scatter(const BackwardArguments& arguments) const {
    const Tensor& gradient = arguments.output_gradient;
    const Tensor& target = arguments.input_gradients[0];
    const auto* dy = gradient.as<T>();
    auto* dx = target.as<T>();
    const auto* saved = static_cast<const Place*>(arguments.saved);
    const std::int64_t map = window_.in[0] * window_.in[1] * target.leading;
    // Windows may overlap, so that one thread owns a sample. Their sums are rounded to T one by one.
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < samples_; ++n) {
      T* image = dx + n * map;
      std::fill_n(image, map, T{});
      for (std::int64_t h = 0; h < window_.out[0]; ++h) {
        const Window::Span rows = window_.span(0, h);
        for (std::int64_t w = 0; w < window_.out[1]; ++w) {
          const Window::Span columns = window_.span(1, w);
          const std::int64_t position = (n * window_.out[0] + h) * window_.out[1] + w;
          const T* from = dy + position * gradient.leading;
          const Place* place = saved + position * channels_;
          for (std::int64_t r = rows.begin; r < rows.end; ++r) {
            for (std::int64_t c = columns.begin; c < columns.end; ++c) {
              const auto index = static_cast<Place>((r - rows.begin) * window_.kernel[1] + c - columns.begin);
              T* into = image + (r * window_.in[1] + c) * target.leading;
#pragma omp simd
              for (std::int64_t k = 0; k < channels_; ++k) {
                into[k] = into[k] + (place[k] == index ? from[k] : T{});
              }
            }
          }
        }
      }
    }
  }

  Window window_;
  std::int64_t channels_;
  std::int64_t samples_;
  bool keeps_places_;
  bool small_ = true;
};

template <class T>
class AveragePool final : public Kernel {
 public:
  explicit AveragePool(const KernelSetup& setup)
      : window_(setup),
        counts_padding_(setup.node.attributes.integer_or("count_include_pad", 0) != 0),
        channels_(setup.output.channels()),
        samples_(setup.output.shape[0]) {}

  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& arguments) override {
    const Tensor& input = arguments.inputs[0];
    const Tensor& output = arguments.output;
    const auto* x = input.as<T>();
    auto* y = output.as<T>();
#pragma omp parallel for collapse(2) schedule(static)
    for (std::int64_t n = 0; n < samples_; ++n) {
      for (std::int64_t h = 0; h < window_.out[0]; ++h) {
        for (std::int64_t w = 0; w < window_.out[1]; ++w) {
          const Window::Span rows = window_.span(0, h);
          const Window::Span columns = window_.span(1, w);
          T* out = y + ((n * window_.out[0] + h) * window_.out[1] + w) * output.leading;
          const T* image = x + n * window_.in[0] * window_.in[1] * input.leading;
          const float share = share_of(rows, columns);
          for (std::int64_t start = 0; start < channels_; start += kLanes) {
            const std::int64_t lanes = std::min(kLanes, channels_ - start);
            float sums[kLanes] = {};
            for (std::int64_t r = rows.begin; r < rows.end; ++r) {
              for (std::int64_t c = columns.begin; c < columns.end; ++c) {
                const T* in = image + (r * window_.in[1] + c) * input.leading + start;
#pragma omp simd
                for (std::int64_t l = 0; l < lanes; ++l) sums[l] += in[l];
              }
            }
#pragma omp simd
            for (std::int64_t l = 0; l < lanes; ++l) out[start + l] = sums[l] * share;
          }
          std::fill(out + channels_, out + output.leading, T{});
        }
      }
    }
  }

  void backward(const BackwardArguments& arguments) override {
    const Tensor& gradient = arguments.output_gradient;
    const Tensor& target = arguments.input_gradients[0];
    if (target.empty()) return;
    const auto* dy = gradient.as<T>();
    auto* dx = target.as<T>();
    const std::int64_t map = window_.in[0] * window_.in[1] * target.leading;
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < samples_; ++n) {
      T* image = dx + n * map;
      std::fill_n(image, map, T{});
      for (std::int64_t h = 0; h < window_.out[0]; ++h) {
        for (std::int64_t w = 0; w < window_.out[1]; ++w) {
          const Window::Span rows = window_.span(0, h);
          const Window::Span columns = window_.span(1, w);
          const T* from = dy + ((n * window_.out[0] + h) * window_.out[1] + w) * gradient.leading;
          const float share = share_of(rows, columns);
          for (std::int64_t r = rows.begin; r < rows.end; ++r) {
            for (std::int64_t c = columns.begin; c < columns.end; ++c) {
              T* into = image + (r * window_.in[1] + c) * target.leading;
#pragma omp simd
              for (std::int64_t k = 0; k < channels_; ++k) into[k] = into[k] + from[k] * share;
            }
          }
        }
      }
    }
  }

 private:
  [[nodiscard]] float share_of(const Window::Span& rows, const Window::Span& columns) const {
    const std::int64_t seen = (rows.end - rows.begin) * (columns.end - columns.begin);
    return 1.0F / static_cast<float>(counts_padding_ ? window_.kernel[0] * window_.kernel[1] : seen);
  }

  Window window_;
  bool counts_padding_;
  std::int64_t channels_;
  std::int64_t samples_;
};

template <class T>
class GlobalAveragePool final : public Kernel {
 public:
  explicit GlobalAveragePool(const KernelSetup& setup)
      : positions_(setup.inputs[0].shape[1] * setup.inputs[0].shape[2]), channels_(setup.output.channels()) {}

  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& arguments) override {
    const Tensor& input = arguments.inputs[0];
    const Tensor& output = arguments.output;
    const auto* x = input.as<T>();
    auto* y = output.as<T>();
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < output.rows(); ++n) {
      const T* map = x + n * positions_ * input.leading;
      T* out = y + n * output.leading;
      for (std::int64_t start = 0; start < channels_; start += kLanes) {
        const std::int64_t lanes = std::min(kLanes, channels_ - start);
        double sums[kLanes] = {};
        for (std::int64_t t = 0; t < positions_; ++t) {
          const T* in = map + t * input.leading + start;
#pragma omp simd
          for (std::int64_t l = 0; l < lanes; ++l) sums[l] += static_cast<double>(in[l]);
        }
        for (std::int64_t l = 0; l < lanes; ++l) {
          out[start + l] = static_cast<float>(sums[l] / static_cast<double>(positions_));
        }
      }
      std::fill(out + channels_, out + output.leading, T{});
    }
  }

  void backward(const BackwardArguments& arguments) override {
    const Tensor& gradient = arguments.output_gradient;
    const Tensor& target = arguments.input_gradients[0];
    if (target.empty()) return;
    const auto* dy = gradient.as<T>();
    auto* dx = target.as<T>();
    const float share = 1.0F / static_cast<float>(positions_);
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < target.rows(); ++row) {
      const T* from = dy + row / positions_ * gradient.leading;
      T* out = dx + row * target.leading;
#pragma omp simd
      for (std::int64_t c = 0; c < channels_; ++c) out[c] = from[c] * share;
      std::fill(out + channels_, out + target.leading, T{});
    }
  }

 private:
  std::int64_t positions_;
  std::int64_t channels_;
};

}  // namespace

void register_pooling_kernels() {
  register_map_kernel<MaxPool>("max_pool");
  register_map_kernel<AveragePool>("avg_pool");
  register_map_kernel<GlobalAveragePool>("global_avg_pool");
}

}  // namespace secateur::cpu
