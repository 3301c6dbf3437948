// softmax_cross_entropy: loss_n = -sum over k of q_k * log p_k, with p the softmax of the logits and
// q_k = (1 - s) * [k is the label] + s / K (label smoothing, Szegedy et al. 2016). d loss_n / d logit_k = p_k
// - q_k.
//
// With a teacher (Hinton et al. 2015), of weight w at temperature T: (1 - w) times that, plus w T^2 times the
// sum over k of t_k (log t_k - log s_k), with t the softmax of the teacher's logits / T and s that of the
// logits / T; d / d logit_k of this part = w T (s_k - t_k).
#include <cmath>
#include <vector>

#include "backend/reference/maps.h"
#include "backend/reference/reference_kernels.h"

namespace secateur::reference {
namespace {

class SoftmaxCrossEntropy final : public Kernel {
 public:
  explicit SoftmaxCrossEntropy(const KernelSetup& setup)
      : layer_(setup.node.name),
        smoothing_(setup.node.attributes.real_or("label_smoothing", 0)),
        weight_(setup.node.attributes.real_or("distillation", 0)),
        temperature_(setup.node.attributes.real_or("temperature", 1)) {}

  void forward(const ForwardArguments& a) override {
    clear(a.output);
    for (std::int64_t n = 0; n < a.inputs[0].rows(); ++n) {
      const std::int64_t label = label_of(a.inputs, n);
      if (label < 0) continue;
      const std::vector<double> log_p = log_softmax(a.inputs[0], n, 1);
      double loss = 0;
      for (std::size_t k = 0; k < log_p.size(); ++k) loss -= target(k, label, log_p.size()) * log_p[k];
      row_of(a.output, n)[0] = (1 - weight_) * loss;
      if (weight_ == 0) continue;
      const std::vector<double> log_s = log_softmax(a.inputs[0], n, temperature_);
      const std::vector<double> log_t = log_softmax(a.inputs[2], n, temperature_);
      double divergence = 0;
      for (std::size_t k = 0; k < log_t.size(); ++k) divergence += std::exp(log_t[k]) * (log_t[k] - log_s[k]);
      row_of(a.output, n)[0] += weight_ * temperature_ * temperature_ * divergence;
    }
  }

  void backward(const BackwardArguments& a) override {
    if (a.input_gradients[0].empty()) return;
    clear(a.input_gradients[0]);
    for (std::int64_t n = 0; n < a.inputs[0].rows(); ++n) {
      const std::int64_t label = label_of(a.inputs, n);
      if (label < 0) continue;
      const std::vector<double> log_p = log_softmax(a.inputs[0], n, 1);
      double* gradient = row_of(a.input_gradients[0], n);
      const double scale = row_of(a.output_gradient, n)[0];
      for (std::size_t k = 0; k < log_p.size(); ++k) {
        gradient[k] = scale * (1 - weight_) * (std::exp(log_p[k]) - target(k, label, log_p.size()));
      }
      if (weight_ == 0) continue;
      const std::vector<double> log_s = log_softmax(a.inputs[0], n, temperature_);
      const std::vector<double> log_t = log_softmax(a.inputs[2], n, temperature_);
      for (std::size_t k = 0; k < log_t.size(); ++k) {
        gradient[k] += scale * weight_ * temperature_ * (std::exp(log_s[k]) - std::exp(log_t[k]));
      }
    }
  }

 private:
  [[nodiscard]] std::int64_t label_of(std::span<const Tensor> inputs, std::int64_t n) const {
    const std::int64_t label = inputs[1].as<std::int32_t>()[n * inputs[1].leading];
    require(label < inputs[0].channels(),
            "layer '{}': the label of sample {} is {}, but there are {} classes", layer_, n, label,
            inputs[0].channels());
    return label;
  }

  [[nodiscard]] double target(std::size_t k, std::int64_t label, std::size_t classes) const {
    const double hit = static_cast<std::int64_t>(k) == label ? 1.0 : 0.0;
    return (1 - smoothing_) * hit + smoothing_ / static_cast<double>(classes);
  }

  static std::vector<double> log_softmax(const Tensor& logits, std::int64_t n, double temperature) {
    const double* row = row_of(logits, n);
    std::vector<double> result(row, row + logits.channels());
    for (double& value : result) value /= temperature;
    const double largest = *std::max_element(result.begin(), result.end());
    double sum = 0;
    for (const double logit : result) sum += std::exp(logit - largest);
    for (double& value : result) value -= largest + std::log(sum);
    return result;
  }

  std::string layer_;
  double smoothing_;
  double weight_;
  double temperature_;
};

}  // namespace

void register_loss_kernels() { register_float64_kernel<SoftmaxCrossEntropy>("softmax_cross_entropy", 1); }

}  // namespace secateur::reference
