// relu, add, dropout.
#include <array>
#include <vector>

#include "backend/cpu/chunks.h"
#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/rows.h"
#include "secateur/core/rng.h"

namespace secateur::cpu {
namespace {

class Relu final : public Kernel {
 public:
  explicit Relu(const KernelSetup& /*setup*/) {}
  KernelMemory memory() const override { return {.backward_needs_inputs = false, .backward_needs_output = true}; }

  void forward(const ForwardArguments& a) override {
    const Tensor& x = a.inputs[0];
    for_chunks(x.rows(), [&](int, std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        const float* in = x.as<float>() + row * x.leading;
        float* out = a.output.as<float>() + row * a.output.leading;
        // Written so that a NaN passes through, as it does in a batch norm's ReLU.
        for (std::int64_t c = 0; c < x.channels(); ++c) out[c] = in[c] < 0 ? 0.0F : in[c];
        clear_padding(out, a.output);
      }
    });
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& dx = a.input_gradients[0];
    if (dx.empty()) return;
    for_chunks(dx.rows(), [&](int, std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        const float* y = a.output.as<float>() + row * a.output.leading;
        const float* dy = a.output_gradient.as<float>() + row * a.output_gradient.leading;
        float* out = dx.as<float>() + row * dx.leading;
        for (std::int64_t c = 0; c < dx.channels(); ++c) out[c] = y[c] > 0 ? dy[c] : 0.0F;
        clear_padding(out, dx);
      }
    });
  }
};

class Add final : public Kernel {
 public:
  explicit Add(const KernelSetup& /*setup*/) {}
  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& a) override {
    const std::int64_t channels = a.output.channels();
    for_chunks(a.output.rows(), [&](int, std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        float* out = a.output.as<float>() + row * a.output.leading;
        std::copy_n(a.inputs[0].as<float>() + row * a.inputs[0].leading, channels, out);
        for (const Tensor& term : a.inputs.subspan(1)) {
          const float* in = term.as<float>() + row * term.leading;
          for (std::int64_t c = 0; c < channels; ++c) out[c] += in[c];
        }
        clear_padding(out, a.output);
      }
    });
  }

  // Programs pass the gradient on without a kernel (Op::passes_gradient); this is for whoever calls the kernel itself.
  void backward(const BackwardArguments& a) override {
    for (const Tensor& dx : a.input_gradients) {
      if (dx.empty()) continue;
      for (std::int64_t row = 0; row < dx.rows(); ++row) {
        float* out = dx.as<float>() + row * dx.leading;
        std::copy_n(a.output_gradient.as<float>() + row * a.output_gradient.leading, dx.channels(), out);
        clear_padding(out, dx);
      }
    }
  }
};

// Inverted dropout. A unit's number depends on (seed, step, node, original unit) alone: word u % 4 of the Philox block
// with counter {u / 4, node, step, dropout}, where u counts the units of the unpruned map.
class Dropout final : public Kernel {
 public:
  explicit Dropout(const KernelSetup& setup)
      : active_(setup.batch_statistics),
        rate_(setup.node.attributes.real_or("rate", 0.5)),
        node_(static_cast<std::uint32_t>(setup.id)),
        channels_(setup.output.channels()),
        original_channels_(setup.node.attributes.integer_or("original_channels", channels_)) {
    for (std::int64_t c = 0; c < channels_; ++c) origin_.push_back(c);
    if (setup.node.attributes.contains("origin")) origin_ = setup.node.attributes.integers("origin");
  }
  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& a) override { apply(a.inputs[0], a.output, a.step); }
  void backward(const BackwardArguments& a) override {
    if (!a.input_gradients[0].empty()) apply(a.output_gradient, a.input_gradients[0], a.step);
  }

 private:
  // The mask is its own adjoint, and is drawn again in the backward pass rather than stored.
  void apply(const Tensor& from, const Tensor& to, const StepState& step) const {
    const float keep_scale = static_cast<float>(1.0 / (1.0 - rate_));
    const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(step.seed),
                                           static_cast<std::uint32_t>(step.seed >> 32)};
    for_chunks(from.rows(), [&](int, std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        const float* in = from.as<float>() + row * from.leading;
        float* out = to.as<float>() + row * to.leading;
        for (std::int64_t c = 0; c < channels_; ++c) {
          if (!active_) {
            out[c] = in[c];
            continue;
          }
          const auto unit = static_cast<std::uint64_t>(row * original_channels_ + origin_[static_cast<std::size_t>(c)]);
          const auto block = philox4x32({static_cast<std::uint32_t>(unit >> 2), node_,
                                         static_cast<std::uint32_t>(step.step),
                                         static_cast<std::uint32_t>(RngPurpose::dropout)},
                                        key);
          out[c] = block[unit & 3] * 0x1p-32 >= rate_ ? in[c] * keep_scale : 0.0F;
        }
        clear_padding(out, to);
      }
    });
  }

  bool active_;
  double rate_;
  std::uint32_t node_;
  std::int64_t channels_;
  std::int64_t original_channels_;
  std::vector<std::int64_t> origin_;
};

}  // namespace

void register_elementwise_kernels() {
  register_float32_kernel<Relu>("relu");
  register_float32_kernel<Add>("add");
  register_float32_kernel<Dropout>("dropout");
}

}  // namespace secateur::cpu
