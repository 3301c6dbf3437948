#include "backend/cpu/winograd_passes.h"

#include "backend/cpu/winograd_weight_gradient.h"

namespace secateur::cpu {
namespace {

// A convolution with filters that are brought to the points for each call, since they change on each step.
class Convolution {
 public:
  Convolution(const WinogradProblem& layer, WinogradUse use)
      : filters_(layer.filters, layer.channels, use),
        convolution_(use == WinogradUse::forward ? layer : layer.of_input_gradient()) {}

  [[nodiscard]] std::int64_t workspace_bytes() const {
    return filters_.bytes() + convolution_.workspace_bytes();
  }
  void run(const Tensor& input, const Tensor& filters, const Tensor& output, void* workspace) const {
    auto* points = static_cast<float*>(workspace);
    filters_.transform(filters.as<float>(), points);
    convolution_.run(input, output, points, nullptr, Tensor(), false,
                     static_cast<std::byte*>(workspace) + filters_.bytes());
  }

 private:
  WinogradFilters filters_;
  WinogradConvolution convolution_;
};

class Forward final : public ForwardPass {
 public:
  explicit Forward(const WinogradProblem& problem) : convolution_(problem, WinogradUse::forward) {}
  std::int64_t workspace_bytes() const override { return convolution_.workspace_bytes(); }
  void run(const ForwardArguments& arguments) override {
    convolution_.run(arguments.inputs[0], arguments.parameters[0], arguments.output, arguments.workspace);
  }

 private:
  Convolution convolution_;
};

class InputGradient final : public BackwardPass {
 public:
  explicit InputGradient(const WinogradProblem& problem)
      : convolution_(problem, WinogradUse::input_gradient) {}
  std::int64_t workspace_bytes() const override { return convolution_.workspace_bytes(); }
  void run(const BackwardArguments& arguments) override {
    convolution_.run(arguments.output_gradient, arguments.parameters[0], arguments.input_gradients[0],
                     arguments.workspace);
  }

 private:
  Convolution convolution_;
};

class ParameterGradients final : public BackwardPass {
 public:
  explicit ParameterGradients(const WinogradProblem& problem) : gradient_(problem) {}
  std::int64_t workspace_bytes() const override { return gradient_.workspace_bytes(); }
  void run(const BackwardArguments& arguments) override {
    gradient_.run(arguments.inputs[0], arguments.output_gradient, arguments.parameter_gradients[0],
                  arguments.workspace);
  }

 private:
  WinogradWeightGradient gradient_;
};

}  // namespace

std::unique_ptr<ForwardPass> winograd_forward(const WinogradProblem& problem) {
  return std::make_unique<Forward>(problem);
}

std::unique_ptr<BackwardPass> winograd_input_gradient(const WinogradProblem& problem) {
  return std::make_unique<InputGradient>(problem);
}

std::unique_ptr<BackwardPass> winograd_weight_gradient(const WinogradProblem& problem) {
  return std::make_unique<ParameterGradients>(problem);
}

}  // namespace secateur::cpu
