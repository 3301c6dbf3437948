#include <cmath>

#include "backend/cpu/cpu_kernels.h"
#include "backend/cpu/rows.h"

namespace secateur::cpu {
namespace {

// loss_n = -sum_k q_k log p_k with p the softmax of the logits and q = (1 - s) * [k is the label] + s / K
// (Szegedy et al. 2016). d loss_n / d logit_k = p_k - q_k. A teacher's part as the reference adds it (Hinton
// et al. 2015). Samples with a negative label have neither loss nor gradient. Sums over classes are in
// double.
template <class T>
class SoftmaxCrossEntropy final : public Kernel {
 public:
  explicit SoftmaxCrossEntropy(const KernelSetup& setup)
      : layer_(setup.node.name),
        smoothing_(setup.node.attributes.real_or("label_smoothing", 0)),
        weight_(setup.node.attributes.real_or("distillation", 0)),
        temperature_(setup.node.attributes.real_or("temperature", 1)) {}

  void forward(const ForwardArguments& arguments) override {
    const Tensor& logits = arguments.inputs[0];
    const Tensor& labels = arguments.inputs[1];
    check(labels, logits.channels());
    const std::int64_t classes = logits.channels();
    const auto* values = logits.as<T>();
    const auto* label = labels.as<std::int32_t>();
    auto* losses = arguments.output.as<float>();
    const double spread = smoothing_ / static_cast<double>(classes);
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < logits.rows(); ++n) {
      float* loss = losses + n * arguments.output.leading;
      std::fill_n(loss, arguments.output.leading, 0.0F);
      const std::int32_t target = label[n * labels.leading];
      if (target < 0) continue;
      const T* row = values + n * logits.leading;
      const Normalizer normalizer(row, classes);
      double result = (1 - smoothing_) * (normalizer.log_sum - row[target]);
      if (spread > 0) {
        for (std::int64_t k = 0; k < classes; ++k) result += spread * (normalizer.log_sum - row[k]);
      }
      if (weight_ > 0) {
        result =
            (1 - weight_) * result +
            weight_ * divergence(row, arguments.inputs[2].as<T>() + n * arguments.inputs[2].leading, classes);
      }
      loss[0] = static_cast<float>(result);
    }
  }

  void backward(const BackwardArguments& arguments) override {
    const Tensor& logits = arguments.inputs[0];
    const Tensor& labels = arguments.inputs[1];
    const Tensor& target = arguments.input_gradients[0];
    if (target.empty()) return;
    const std::int64_t classes = logits.channels();
    const auto* values = logits.as<T>();
    const auto* label = labels.as<std::int32_t>();
    const auto* weights = arguments.output_gradient.as<float>();
    auto* gradient = target.as<T>();
    const double spread = smoothing_ / static_cast<double>(classes);
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < logits.rows(); ++n) {
      T* out = gradient + n * target.leading;
      std::fill_n(out, target.leading, T{});
      const std::int32_t right = label[n * labels.leading];
      if (right < 0) continue;
      const T* row = values + n * logits.leading;
      const double weight = weights[n * arguments.output_gradient.leading];
      const Normalizer normalizer(row, classes);
      const auto from_label = [&](std::int64_t k) {
        const double q = spread + (k == right ? 1 - smoothing_ : 0.0);
        return (1 - weight_) * weight * (normalizer.probability(row[k]) - q);
      };
      if (weight_ == 0) {
        for (std::int64_t k = 0; k < classes; ++k) out[k] = static_cast<float>(from_label(k));
        continue;
      }
      const T* teacher = arguments.inputs[2].as<T>() + n * arguments.inputs[2].leading;
      const Normalizer own(row, classes, temperature_);
      const Normalizer taught(teacher, classes, temperature_);
      for (std::int64_t k = 0; k < classes; ++k) {
        const double difference = own.probability(row[k]) - taught.probability(teacher[k]);
        out[k] = static_cast<float>(from_label(k) + weight_ * temperature_ * weight * difference);
      }
    }
  }

 private:
  // log of the sum of exp(logit / temperature), taken about the largest logit so that nothing overflows.
  struct Normalizer {
    double log_sum;
    double temperature;
    Normalizer(const T* row, std::int64_t classes, double t = 1) : temperature(t) {
      const double largest = static_cast<double>(*std::max_element(row, row + classes)) / t;
      double sum = 0;
      for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(row[k] / t - largest);
      log_sum = largest + std::log(sum);
    }
    [[nodiscard]] double log_probability(float logit) const { return logit / temperature - log_sum; }
    [[nodiscard]] double probability(float logit) const { return std::exp(log_probability(logit)); }
  };

  // T^2 times the Kullback-Leibler divergence of the softened probabilities from the teacher's.
  [[nodiscard]] double divergence(const T* row, const T* teacher, std::int64_t classes) const {
    const Normalizer own(row, classes, temperature_);
    const Normalizer taught(teacher, classes, temperature_);
    double sum = 0;
    for (std::int64_t k = 0; k < classes; ++k) {
      const double log_t = taught.log_probability(teacher[k]);
      sum += std::exp(log_t) * (log_t - own.log_probability(row[k]));
    }
    return temperature_ * temperature_ * sum;
  }

  void check(const Tensor& labels, std::int64_t classes) const {
    const auto* label = labels.as<std::int32_t>();
    for (std::int64_t n = 0; n < labels.rows(); ++n) {
      const std::int32_t value = label[n * labels.leading];
      require(value < classes, "layer '{}': the label of sample {} is {}, but there are {} classes", layer_,
              n, value, classes);
    }
  }

  std::string layer_;
  double smoothing_;
  double weight_;
  double temperature_;
};

}  // namespace

void register_loss_kernels() {
  register_map_kernel<SoftmaxCrossEntropy>("softmax_cross_entropy", {.first_other = 1, .float_output = true});
}

}  // namespace secateur::cpu
