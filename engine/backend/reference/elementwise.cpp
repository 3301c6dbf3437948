// relu, add, dropout.
#include <array>
#include <vector>

#include "backend/reference/maps.h"
#include "backend/reference/reference_kernels.h"
#include "secateur/core/rng.h"

namespace secateur::reference {
namespace {

// y = max(x, 0); the gradient at 0 is 0.
class Relu final : public Kernel {
 public:
  explicit Relu(const KernelSetup& /*setup*/) {}

  void forward(const ForwardArguments& a) override {
    fill_rows(a.output, [&](std::int64_t r, std::int64_t c) {
      const double x = row_of(a.inputs[0], r)[c];
      return x < 0 ? 0.0 : x;
    });
  }

  void backward(const BackwardArguments& a) override {
    if (a.input_gradients[0].empty()) return;
    fill_rows(a.input_gradients[0], [&](std::int64_t r, std::int64_t c) {
      return row_of(a.inputs[0], r)[c] > 0 ? row_of(a.output_gradient, r)[c] : 0.0;
    });
  }
};

class Add final : public Kernel {
 public:
  explicit Add(const KernelSetup& /*setup*/) {}

  void forward(const ForwardArguments& a) override {
    fill_rows(a.output, [&](std::int64_t r, std::int64_t c) {
      double sum = 0;
      for (const Tensor& term : a.inputs) sum += row_of(term, r)[c];
      return sum;
    });
  }

  void backward(const BackwardArguments& a) override {
    for (const Tensor& gradient : a.input_gradients) {
      if (!gradient.empty()) copy_map(a.output_gradient, gradient);
    }
  }
};

// Inverted dropout: a unit is kept, times 1 / (1 - rate), where uniform(unit) >= rate. Unit u of the unpruned
// map, counted over the batch that all processes share, draws word u mod 4 of the Philox block with key =
// seed and counter {u / 4, node, step, dropout}.
class Dropout final : public Kernel {
 public:
  explicit Dropout(const KernelSetup& setup)
      : active_(setup.batch_statistics),
        rate_(setup.node.attributes.real_or("rate", 0.5)),
        node_(static_cast<std::uint32_t>(setup.id)),
        positions_(setup.output.rows() / setup.output.shape[0]),
        original_channels_(setup.node.attributes.integer_or("original_channels", setup.output.channels())) {
    if (setup.node.attributes.contains("origin")) origin_ = setup.node.attributes.integers("origin");
  }

  void forward(const ForwardArguments& a) override {
    fill_rows(a.output, [&](std::int64_t r, std::int64_t c) {
      return row_of(a.inputs[0], r)[c] * factor(r, c, a.step);
    });
  }

  void backward(const BackwardArguments& a) override {
    if (a.input_gradients[0].empty()) return;
    fill_rows(a.input_gradients[0], [&](std::int64_t r, std::int64_t c) {
      return row_of(a.output_gradient, r)[c] * factor(r, c, a.step);
    });
  }

 private:
  [[nodiscard]] double factor(std::int64_t row, std::int64_t channel, const StepState& step) const {
    if (!active_) return 1.0;
    const std::int64_t original = origin_.empty() ? channel : origin_[static_cast<std::size_t>(channel)];
    const std::int64_t unit = (step.first_sample * positions_ + row) * original_channels_ + original;
    const std::array<std::uint32_t, 4> counter{static_cast<std::uint32_t>(unit / 4), node_,
                                               static_cast<std::uint32_t>(step.step),
                                               static_cast<std::uint32_t>(RngPurpose::dropout)};
    const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(step.seed),
                                           static_cast<std::uint32_t>(step.seed >> 32)};
    const double uniform = philox4x32(counter, key)[static_cast<std::size_t>(unit % 4)] * 0x1p-32;
    return uniform >= rate_ ? 1 / (1 - rate_) : 0.0;
  }

  bool active_;
  double rate_;
  std::uint32_t node_;
  std::int64_t positions_;  // of one sample
  std::int64_t original_channels_;
  std::vector<std::int64_t> origin_;  // empty: each channel is its own
};

}  // namespace

void register_elementwise_kernels() {
  register_float64_kernel<Relu>("relu");
  register_float64_kernel<Add>("add");
  register_float64_kernel<Dropout>("dropout");
}

}  // namespace secateur::reference
