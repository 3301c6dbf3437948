// batch_norm and batch_norm_act.
#include "backend/cuda/cuda_kernel.h"
#include "backend/cuda/cuda_kernels.h"
#include "secateur/kernels/batch_norm_act.h"

namespace secateur::cuda {
namespace {

enum Parameter : std::size_t { kScale, kShift, kRunningMean, kRunningVariance };

class BatchNorm : public CudaKernel {
 public:
  explicit BatchNorm(const KernelSetup& setup) : BatchNorm(setup, false) {}

  KernelMemory memory() const override {
    KernelMemory memory;
    const std::int64_t workspace = kernels::batch_norm_workspace(shape_);
    if (batch_statistics_) memory.forward_workspace = workspace;
    // Mean and inverse deviation, so that the backward pass does not depend on what happens to the
    // statistics.
    if (has_backward_ || batch_statistics_) memory.saved = 2 * shape_.channels * size_of(DType::f32);
    if (has_backward_) {
      memory.backward_workspace = workspace;
      memory.backward_needs_output = relu_ && has_residual_;
    }
    return memory;
  }

  void forward(const ForwardArguments& a) override {
    const void* residual = has_residual_ ? a.inputs[1].data : nullptr;
    const kernels::BatchNormParameters parameters = parameters_of(a.parameters);
    auto* running_mean = a.parameters[kRunningMean].as<float>();
    auto* running_variance = a.parameters[kRunningVariance].as<float>();
    auto* mean = static_cast<float*>(a.saved);
    if (batch_statistics_) {
      check(kernels::batch_norm_act_training(a.output.data, mean, mean + shape_.channels,
                                             {running_mean, running_variance, momentum_}, a.inputs[0].data,
                                             residual, parameters, relu_, shape_, a.workspace,
                                             kernels::batch_norm_workspace(shape_), handle()));
      return;
    }
    check(kernels::batch_norm_act_inference(a.output.data, a.inputs[0].data, residual, parameters,
                                            running_mean, running_variance, relu_, shape_, handle()));
    if (!has_backward_) return;
    stream().copy(mean, running_mean, shape_.channels * size_of(DType::f32));
    check(kernels::batch_norm_inverse_deviation(mean + shape_.channels, running_variance, epsilon_,
                                                shape_.channels, handle()));
  }

  void backward(const BackwardArguments& a) override {
    kernels::BatchNormGradients gradients;
    gradients.dx = a.input_gradients[0].data;
    if (has_residual_) gradients.dresidual = a.input_gradients[1].data;
    if (parameters_wanted_) {
      gradients.dscale = a.parameter_gradients[kScale].as<float>();
      gradients.dshift = a.parameter_gradients[kShift].as<float>();
    }
    const auto* mean = static_cast<const float*>(a.saved);
    check(kernels::batch_norm_act_backward(gradients, a.output_gradient.data, a.inputs[0].data, a.output.data,
                                           parameters_of(a.parameters), mean, mean + shape_.channels, relu_,
                                           batch_statistics_, shape_, a.workspace,
                                           kernels::batch_norm_workspace(shape_), handle()));
  }

 protected:
  BatchNorm(const KernelSetup& setup, bool relu)
      : CudaKernel(setup),
        shape_{kernel_type(setup.output.dtype), setup.output.rows(), setup.output.channels(),
               setup.output.leading, setup.output.leading},
        relu_(relu),
        has_residual_(setup.inputs.size() > 1),
        batch_statistics_(setup.batch_statistics),
        has_backward_(setup.has_backward()),
        parameters_wanted_(setup.parameter_gradients_wanted),
        epsilon_(static_cast<float>(setup.node.attributes.real_or("epsilon", 1e-5))),
        momentum_(static_cast<float>(setup.node.attributes.real_or("momentum", 0.1))) {
    for (const Tensor& input : setup.inputs) {
      require(input.leading == setup.output.leading,
              "layer '{}': maps of a batch norm are stored alike, but leading dimension {} meets {}", layer(),
              input.leading, setup.output.leading);
    }
  }

 private:
  [[nodiscard]] kernels::BatchNormParameters parameters_of(std::span<const Tensor> parameters) const {
    return {parameters[kScale].as<float>(), parameters[kShift].as<float>(), epsilon_};
  }

  kernels::BatchNormShape shape_;
  bool relu_;
  bool has_residual_;
  bool batch_statistics_;
  bool has_backward_;
  bool parameters_wanted_;
  float epsilon_;
  float momentum_;
};

class BatchNormAct final : public BatchNorm {
 public:
  explicit BatchNormAct(const KernelSetup& setup)
      : BatchNorm(setup, setup.node.attributes.integer_or("relu", 1) != 0) {}
};

}  // namespace

void register_normalization_kernels() {
  register_kernel_of<BatchNorm>("batch_norm");
  register_kernel_of<BatchNormAct>("batch_norm_act");
}

}  // namespace secateur::cuda
