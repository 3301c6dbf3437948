// batch_norm and batch_norm_act.
#include "backend/cuda/cuda_kernel.h"
#include "backend/cuda/cuda_kernels.h"
#include "secateur/dist/communicator.h"
#include "secateur/graph/conv_fusion.h"
#include "secateur/kernels/batch_norm_act.h"
#include "secateur/kernels/batch_norm_sums.h"

namespace secateur::cuda {
namespace {

enum Parameter : std::size_t { kScale, kShift, kRunningMean, kRunningVariance };

class BatchNorm : public CudaKernel {
 public:
  explicit BatchNorm(const KernelSetup& setup) : BatchNorm(setup, false) {}

  KernelMemory memory() const override {
    KernelMemory memory;
    const std::int64_t workspace = kernels::batch_norm_workspace(shape_);
    if (batch_statistics_ && !given_sums_) memory.forward_workspace = moments_bytes() + workspace;
    // Mean and inverse deviation, so that the backward pass does not depend on what happens to the
    // statistics.
    if (has_backward_ || batch_statistics_) memory.saved = 2 * shape_.channels * size_of(DType::f32);
    if (has_backward_) {
      memory.backward_workspace = sums_bytes() + workspace;
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
    if (given_sums_) return forward_of_sums(a, residual, parameters);
    if (batch_statistics_ && shared_by_ != nullptr) return forward_of_part(a, residual, parameters);
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
    if (batch_statistics_ && shared_by_ != nullptr) return backward_of_part(a, gradients, mean);
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
        given_sums_(takes_statistics(setup.node)),
        shared_by_(setup.batch_statistics ? setup.batch_shared_by : nullptr),
        images_(setup.output.shape[0]),
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
  // Of a batch that processes share: the moments of all of their parts lie before the kernels' workspace.
  [[nodiscard]] std::int64_t part_elements() const { return 3 * shape_.channels; }
  [[nodiscard]] std::int64_t moments_bytes() const {
    return shared_by_ != nullptr ? shared_by_->size() * part_elements() * size_of(DType::f32) : 0;
  }
  [[nodiscard]] std::int64_t sums_bytes() const {
    return shared_by_ != nullptr ? 2 * shape_.channels * size_of(DType::f32) : 0;
  }

  void forward_of_sums(const ForwardArguments& a, const void* residual,
                       const kernels::BatchNormParameters& parameters) {
    auto* mean = static_cast<float*>(a.saved);
    float* inverse_deviation = mean + shape_.channels;
    check(kernels::batch_norm_finish_sums(
        {.mean = mean, .inverse_deviation = inverse_deviation},
        {a.parameters[kRunningMean].as<float>(), a.parameters[kRunningVariance].as<float>(), momentum_},
        {a.input_sums, a.input_sums + shape_.ld}, shape_.rows, parameters, shape_.channels, shape_.channels,
        handle()));
    check(kernels::batch_norm_act_apply(a.output.data, a.inputs[0].data, residual, parameters, mean,
                                        inverse_deviation, relu_, shape_, handle()));
  }

  void forward_of_part(const ForwardArguments& a, const void* residual,
                       const kernels::BatchNormParameters& parameters) {
    auto* moments = static_cast<float*>(a.workspace);
    auto* mean = static_cast<float*>(a.saved);
    // A sum in which every process has zeros outside of its place brings all parts together.
    stream().zero(moments, moments_bytes());
    check(kernels::batch_norm_moments(moments + shared_by_->rank() * part_elements(), a.inputs[0].data,
                                      shape_, static_cast<std::byte*>(a.workspace) + moments_bytes(),
                                      kernels::batch_norm_workspace(shape_), handle()));
    shared_by_->sum(stream(), DType::f32, moments, shared_by_->size() * part_elements());
    check(kernels::batch_norm_act_merged(
        a.output.data, mean, mean + shape_.channels,
        {a.parameters[kRunningMean].as<float>(), a.parameters[kRunningVariance].as<float>(), momentum_},
        moments, shared_by_->size(), a.inputs[0].data, residual, parameters, relu_, shape_, handle()));
  }

  void backward_of_part(const BackwardArguments& a, const kernels::BatchNormGradients& gradients,
                        const float* mean) {
    require(a.step.batch_samples >= images_,
            "layer '{}': of a shared batch the step says how many samples it has, at least {}, got {}",
            layer(), images_, a.step.batch_samples);
    auto* sums = static_cast<float*>(a.workspace);
    const float* inverse_deviation = mean + shape_.channels;
    check(kernels::batch_norm_act_backward_sums(sums, gradients.dscale, gradients.dshift,
                                                a.output_gradient.data, a.inputs[0].data, a.output.data,
                                                parameters_of(a.parameters), mean, inverse_deviation, relu_,
                                                shape_, static_cast<std::byte*>(a.workspace) + sums_bytes(),
                                                kernels::batch_norm_workspace(shape_), handle()));
    shared_by_->sum(stream(), DType::f32, sums, 2 * shape_.channels);
    check(kernels::batch_norm_act_backward_apply(
        gradients.dx, gradients.dresidual, {sums, sums + shape_.channels},
        shape_.rows / images_ * a.step.batch_samples, a.output_gradient.data, a.inputs[0].data, a.output.data,
        parameters_of(a.parameters), mean, inverse_deviation, relu_, shape_, handle()));
  }

  [[nodiscard]] kernels::BatchNormParameters parameters_of(std::span<const Tensor> parameters) const {
    return {parameters[kScale].as<float>(), parameters[kShift].as<float>(), epsilon_};
  }

  kernels::BatchNormShape shape_;
  bool relu_;
  bool has_residual_;
  bool batch_statistics_;
  bool given_sums_;          // the batch's statistics come with the first input
  Communicator* shared_by_;  // null: the batch is this process's alone
  std::int64_t images_;
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
