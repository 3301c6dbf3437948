// relu, add, dropout.
#include <array>
#include <vector>

#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/rows.h"
#include "secateur/core/rng.h"

namespace secateur::cpu {
namespace {

// y = relu(x). A NaN passes through, as it does in a batch norm's ReLU, so that a diverged run is seen.
template <class T>
class Relu final : public Kernel {
 public:
  explicit Relu(const KernelSetup& /*setup*/) {}

  // y > 0 exactly where x > 0.
  KernelMemory memory() const override {
    return {.backward_needs_inputs = false, .backward_needs_output = true};
  }

  void forward(const ForwardArguments& arguments) override {
    const Tensor& input = arguments.inputs[0];
    const Tensor& output = arguments.output;
    const RowLoop loop = row_loop(std::array{output, input}, kLongRow);
    const auto* x = input.as<T>();
    auto* y = output.as<T>();
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < loop.rows; ++row) {
      const T* in = x + row * loop.stride(input);
      T* out = y + row * loop.stride(output);
      const std::int64_t lanes = loop.lanes_of(row);
#pragma omp simd
      for (std::int64_t l = 0; l < lanes; ++l) {
        const float value = in[l];
        out[l] = value < 0 ? 0.0F : value;
      }
    }
    if (!loop.shared) zero_padding<T>(output);
  }

  void backward(const BackwardArguments& arguments) override {
    const Tensor& output = arguments.output;
    const Tensor& gradient = arguments.output_gradient;
    const Tensor& target = arguments.input_gradients[0];
    if (target.empty()) return;
    const RowLoop loop = row_loop(std::array{target, output, gradient}, kLongRow);
    const auto* y = output.as<T>();
    const auto* dy = gradient.as<T>();
    auto* dx = target.as<T>();
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < loop.rows; ++row) {
      const T* value = y + row * loop.stride(output);
      const T* from = dy + row * loop.stride(gradient);
      T* out = dx + row * loop.stride(target);
      const std::int64_t lanes = loop.lanes_of(row);
#pragma omp simd
      for (std::int64_t l = 0; l < lanes; ++l) out[l] = value[l] > 0 ? from[l] : T{};
    }
    if (!loop.shared) zero_padding<T>(target);
  }
};

// y = sum of all inputs, in their order.
template <class T>
class Add final : public Kernel {
 public:
  explicit Add(const KernelSetup& /*setup*/) {}
  KernelMemory memory() const override { return {.backward_needs_inputs = false}; }

  void forward(const ForwardArguments& arguments) override {
    for (std::size_t i = 1; i < arguments.inputs.size(); ++i) {
      add_tensors<T>(i == 1 ? arguments.inputs[0] : arguments.output, arguments.inputs[i], arguments.output);
    }
  }

  // Programs pass the gradient on without a kernel (Op::passes_gradient); this is for whoever calls the
  // kernel itself.
  void backward(const BackwardArguments& arguments) override {
    for (const Tensor& target : arguments.input_gradients) {
      if (!target.empty()) copy_tensor<T>(arguments.output_gradient, target);
    }
  }
};

// Inverted dropout. A unit's number depends on (seed, step, node, original unit) alone: word u % 4 of the
// Philox block with counter {u / 4, node, step, dropout}, where u counts the units of the unpruned map of the
// whole batch, whose part this process may have.
template <class T>
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
  void apply(const Tensor& input, const Tensor& output, const StepState& step) const {
    if (!active_) {
      copy_tensor<T>(input, output);
      return;
    }
    const auto keep_scale = static_cast<float>(1.0 / (1.0 - rate_));
    const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(step.seed),
                                           static_cast<std::uint32_t>(step.seed >> 32)};
    const auto* x = input.as<T>();
    auto* y = output.as<T>();
    const std::int64_t first_row = step.first_sample * (output.rows() / output.shape[0]);
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < output.rows(); ++row) {
      const T* in = x + row * input.leading;
      T* out = y + row * output.leading;
      for (std::int64_t c = 0; c < channels_; ++c) {
        const auto unit = static_cast<std::uint64_t>((first_row + row) * original_channels_ +
                                                     origin_[static_cast<std::size_t>(c)]);
        const auto block =
            philox4x32({static_cast<std::uint32_t>(unit >> 2), node_, static_cast<std::uint32_t>(step.step),
                        static_cast<std::uint32_t>(RngPurpose::dropout)},
                       key);
        out[c] = block[unit & 3] * 0x1p-32 >= rate_ ? in[c] * keep_scale : 0.0F;
      }
      std::fill(out + channels_, out + output.leading, T{});
    }
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
  register_map_kernel<Relu>("relu");
  register_map_kernel<Add>("add");
  register_map_kernel<Dropout>("dropout");
}

}  // namespace secateur::cpu
