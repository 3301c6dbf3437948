// softmax_cross_entropy.
#include "backend/cuda/cuda_kernel.h"
#include "backend/cuda/cuda_kernels.h"
#include "secateur/kernels/softmax_cross_entropy.h"
#include "secateur/kernels/step_state.h"

namespace secateur::cuda {
namespace {

// A label of `classes` or more makes its loss NaN, which the trainer reports.
class SoftmaxCrossEntropy final : public CudaKernel {
 public:
  explicit SoftmaxCrossEntropy(const KernelSetup& setup)
      : CudaKernel(setup),
        shape_{kernel_type(setup.inputs[0].dtype), setup.inputs[0].rows(), setup.inputs[0].channels(),
               setup.inputs[0].leading},
        smoothing_(static_cast<float>(setup.node.attributes.real_or("label_smoothing", 0))),
        weight_(static_cast<float>(setup.node.attributes.real_or("distillation", 0))),
        temperature_(static_cast<float>(setup.node.attributes.real_or("temperature", 1))),
        spreads_losses_(setup.output.leading != 1) {
    require(setup.inputs[1].leading == 1,
            "layer '{}': labels lie side by side, but their leading dimension is {}", layer(),
            setup.inputs[1].leading);
  }

  // Losses are made side by side and then moved to where the output's leading dimension puts them.
  KernelMemory memory() const override {
    return {.forward_workspace = spreads_losses_ ? shape_.samples * size_of(DType::f32) : 0};
  }

  void forward(const ForwardArguments& a) override {
    const Tensor& losses = a.output;
    auto* dense = static_cast<float*>(spreads_losses_ ? a.workspace : losses.data);
    kernels::LossMetrics* metrics = a.step.on_device != nullptr ? &a.step.on_device->metrics : nullptr;
    check(kernels::softmax_cross_entropy(
        dense, nullptr, metrics, a.inputs[0].data, a.inputs[1].as<std::int32_t>(), nullptr,
        {.label_smoothing = smoothing_, .teacher = teacher(a.inputs)}, shape_, handle()));
    if (spreads_losses_) {
      copy_lanes(losses.data, losses.leading, dense, 1, shape_.samples, 1, losses.leading, DType::f32,
                 handle(), layer());
    }
  }

  void backward(const BackwardArguments& a) override {
    const Tensor& target = a.input_gradients[0];
    if (target.empty()) return;
    // Lanes past the classes are left alone by the kernel.
    if (!target.dense()) stream().zero(target.data, target.stored_bytes());
    const float* loss_scale = a.step.on_device != nullptr ? &a.step.on_device->loss_scale.value : nullptr;
    check(kernels::softmax_cross_entropy(nullptr, target.data, nullptr, a.inputs[0].data,
                                         a.inputs[1].as<std::int32_t>(), nullptr,
                                         {.label_smoothing = smoothing_,
                                          .device_scale = loss_scale,
                                          .sample_scales = a.output_gradient.as<float>(),
                                          .sample_stride = a.output_gradient.leading,
                                          .teacher = teacher(a.inputs)},
                                         shape_, handle()));
  }

 private:
  [[nodiscard]] kernels::Teacher teacher(std::span<const Tensor> inputs) const {
    if (inputs.size() < 3) return {};
    return {inputs[2].data, inputs[2].leading, weight_, temperature_};
  }

  kernels::LogitsShape shape_;
  float smoothing_;
  float weight_;
  float temperature_;
  bool spreads_losses_;
};

}  // namespace

void register_loss_kernels() { register_kernel_of<SoftmaxCrossEntropy>("softmax_cross_entropy", 1); }

}  // namespace secateur::cuda
