#include "secateur/kernels/softmax_cross_entropy.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

struct Expected {
  std::vector<double> losses, gradient;
  double loss_sum = 0;
  std::int64_t samples = 0, top1 = 0, top5 = 0;
};

// From the equations; `soft` replaces labels and smoothing where it is not empty.
Expected expect_loss(const std::vector<double>& logits, const std::vector<std::int32_t>& labels,
                     const std::vector<float>& soft, std::int64_t classes, double smoothing, double scale) {
  Expected e;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const double* z = logits.data() + n * static_cast<std::size_t>(classes);
    if (labels[n] < 0) {
      e.losses.push_back(0);
      e.gradient.insert(e.gradient.end(), static_cast<std::size_t>(classes), 0.0);
      continue;
    }
    double largest = -INFINITY;
    for (std::int64_t k = 0; k < classes; ++k) largest = std::max(largest, z[k]);
    double total = 0;
    for (std::int64_t k = 0; k < classes; ++k) total += std::exp(z[k] - largest);
    double loss = 0;
    double mass = 0;
    std::int64_t rank = 0;
    std::vector<double> q;
    for (std::int64_t k = 0; k < classes; ++k) {
      q.push_back(soft.empty()
                      ? (1 - smoothing) * (k == labels[n] ? 1 : 0) + smoothing / static_cast<double>(classes)
                      : static_cast<double>(
                            soft[n * static_cast<std::size_t>(classes) + static_cast<std::size_t>(k)]));
      mass += q.back();
      loss -= q.back() * (z[k] - largest - std::log(total));
      rank += k != labels[n] && z[k] >= z[labels[n]] ? 1 : 0;
    }
    for (std::int64_t k = 0; k < classes; ++k) {
      e.gradient.push_back(scale *
                           (std::exp(z[k] - largest) / total * mass - q[static_cast<std::size_t>(k)]));
    }
    e.losses.push_back(loss);
    e.loss_sum += loss;
    e.samples += 1;
    e.top1 += rank < 1 ? 1 : 0;
    e.top5 += rank < 5 ? 1 : 0;
  }
  return e;
}

void check(DType type, const Layout& layout, std::int64_t samples, std::int64_t classes, double smoothing,
           bool soft_targets, bool in_place) {
  SCOPED_TRACE(describe(type, layout) + ", classes " + std::to_string(classes) + ", smoothing " +
               std::to_string(smoothing));
  Random random;
  MapBuffer logits(type, samples, classes, classes + layout.extra_ld, layout.placement);
  MapBuffer gradient(type, samples, classes, classes + layout.extra_ld, layout.placement);
  // Coarse values, so that ties occur.
  std::vector<double> values;
  for (std::int64_t i = 0; i < samples * classes; ++i) values.push_back(std::round(4 * random.normal()) / 2);
  logits.fill(values);
  std::vector<std::int32_t> labels;
  std::vector<float> soft;
  for (std::int64_t n = 0; n < samples; ++n) {
    labels.push_back(n % 5 == 4 ? -1 : static_cast<std::int32_t>(random.below(classes)));
    for (std::int64_t k = 0; soft_targets && k < classes; ++k)
      soft.push_back(static_cast<float>(random.uniform(0, 1)));
  }
  const Array<std::int32_t> device_labels(labels);
  const Array<float> device_soft(soft);
  const Array<float> losses(samples);
  const Array<LossMetrics> metrics(std::vector<LossMetrics>{{10.0, 100, 50, 60}});
  const Array<float> device_scale(std::vector<float>{8.0F});
  const Expected expected = expect_loss(logits.values(), labels, soft, classes,
                                        static_cast<double>(static_cast<float>(smoothing)), 4.0);
  void* target = in_place ? logits.data() : gradient.data();
  ASSERT_TRUE(succeeded(softmax_cross_entropy(
      losses.data(), target, metrics.data(), logits.data(), device_labels.data(),
      soft_targets ? device_soft.data() : nullptr, {static_cast<float>(smoothing), 0.5F, device_scale.data()},
      {type, samples, classes, logits.ld()}, nullptr)));
  EXPECT_LE(relative_error(losses.doubles(), expected.losses), 3e-6);
  EXPECT_LE(relative_error((in_place ? logits : gradient).values(), expected.gradient),
            2 * storage_tolerance(type));
  EXPECT_TRUE(gradient.padding_untouched());
  const LossMetrics& m = *metrics.data();
  EXPECT_NEAR(m.loss_sum, 10.0 + expected.loss_sum, 1e-5 * expected.loss_sum);
  EXPECT_EQ(m.samples, 100 + expected.samples);
  EXPECT_EQ(m.top1, 50 + expected.top1);
  EXPECT_EQ(m.top5, 60 + expected.top5);
}

TEST(SoftmaxCrossEntropy, MatchesFloat64InEveryLayout) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) {
      check(type, layout, 23, 10, 0.0, false, false);
      check(type, layout, 6, 35, 0.1, false, true);
    }
  }
}

TEST(SoftmaxCrossEntropy, ManyFewAndOneClass) {
  check(DType::f32, {}, 9, 1000, 0.1, false, false);
  check(DType::f16, {}, 400, 2, 0.0, false, false);
  check(DType::f32, {}, 3, 1, 0.0, false, false);
  check(DType::f32, {}, 3, 100, 1.0, false, false);
}

TEST(SoftmaxCrossEntropy, SoftTargets) {
  check(DType::f32, {}, 12, 33, 0.0, true, false);
  check(DType::bf16, {3, Placement::aligned}, 12, 5, 0.0, true, true);
}

// Weighted samples: each gradient is that of its own loss, times its own factor.
TEST(SoftmaxCrossEntropy, SampleScales) {
  constexpr std::int64_t kSamples = 5;
  constexpr std::int64_t kClasses = 7;
  Random random;
  MapBuffer logits(DType::f32, kSamples, kClasses);
  MapBuffer plain(DType::f32, kSamples, kClasses);
  MapBuffer scaled(DType::f32, kSamples, kClasses);
  logits.fill(random.normals(kSamples * kClasses));
  const Array<std::int32_t> labels(std::vector<std::int32_t>{0, 6, 3, -1, 2});
  // Every third float, as losses lie that have a leading dimension of 3.
  const Array<float> scales(std::vector<float>{2, 9, 9, -0.5, 9, 9, 0, 9, 9, 4, 9, 9, 1, 9, 9});
  const LogitsShape shape{DType::f32, kSamples, kClasses, kClasses};
  ASSERT_TRUE(succeeded(softmax_cross_entropy(nullptr, plain.data(), nullptr, logits.data(), labels.data(),
                                              nullptr, {}, shape, nullptr)));
  ASSERT_TRUE(succeeded(softmax_cross_entropy(
      nullptr, scaled.data(), nullptr, logits.data(), labels.data(), nullptr,
      {.host_scale = 8, .sample_scales = scales.data(), .sample_stride = 3}, shape, nullptr)));
  std::vector<double> expected = plain.values();
  const double factors[kSamples] = {16, -4, 0, 32, 8};
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= factors[i / kClasses];
  EXPECT_EQ(scaled.values(), expected);
}

std::vector<double> softmax(const double* z, std::int64_t classes, double temperature) {
  std::vector<double> p;
  double largest = -INFINITY;
  for (std::int64_t k = 0; k < classes; ++k) largest = std::max(largest, z[k] / temperature);
  double sum = 0;
  for (std::int64_t k = 0; k < classes; ++k) sum += p.emplace_back(std::exp(z[k] / temperature - largest));
  for (double& value : p) value /= sum;
  return p;
}

// Loss and gradient of Hinton et al. (2015), beside smoothed labels.
void check_taught(DType type, std::int64_t classes, std::int64_t extra_ld, float weight, float temperature,
                  bool in_place) {
  SCOPED_TRACE(std::string(name_of(type)) + ", classes " + std::to_string(classes) + ", weight " +
               std::to_string(weight) + ", temperature " + std::to_string(temperature));
  constexpr std::int64_t kSamples = 11;
  constexpr double kSmoothing = 0.125;
  Random random;
  MapBuffer logits(type, kSamples, classes, classes + extra_ld);
  MapBuffer gradient(type, kSamples, classes, classes + extra_ld);
  MapBuffer teacher(type, kSamples, classes, classes + 2 * extra_ld);
  logits.fill(random.normals(kSamples * classes, 0, 3));
  teacher.fill(random.normals(kSamples * classes, 0, 3));
  std::vector<std::int32_t> labels;
  for (std::int64_t n = 0; n < kSamples; ++n) {
    labels.push_back(n == 4 ? -1 : static_cast<std::int32_t>(random.below(classes)));
  }
  const std::vector<double> z = logits.values();
  const std::vector<double> t = teacher.values();
  Expected expected = expect_loss(z, labels, {}, classes, kSmoothing, 2.0);
  for (std::size_t n = 0; n < kSamples; ++n) {
    if (labels[n] < 0) continue;
    const std::size_t row = n * static_cast<std::size_t>(classes);
    const std::vector<double> own = softmax(z.data() + row, classes, temperature);
    const std::vector<double> taught = softmax(t.data() + row, classes, temperature);
    double divergence = 0;
    for (std::size_t k = 0; k < own.size(); ++k) {
      divergence += taught[k] * (std::log(taught[k]) - std::log(own[k]));
      double& g = expected.gradient[row + k];
      g = (1 - weight) * g + 2.0 * weight * temperature * (own[k] - taught[k]);
    }
    expected.losses[n] = (1 - weight) * expected.losses[n] + weight * temperature * temperature * divergence;
  }
  const Array<std::int32_t> device_labels(labels);
  const Array<float> losses(kSamples);
  LossOptions options{.label_smoothing = static_cast<float>(kSmoothing), .host_scale = 2};
  options.teacher = {teacher.data(), teacher.ld(), weight, temperature};
  void* target = in_place ? logits.data() : gradient.data();
  ASSERT_TRUE(
      succeeded(softmax_cross_entropy(losses.data(), target, nullptr, logits.data(), device_labels.data(),
                                      nullptr, options, {type, kSamples, classes, logits.ld()}, nullptr)));
  EXPECT_LE(relative_error(losses.doubles(), expected.losses), 3e-6);
  EXPECT_LE(relative_error((in_place ? logits : gradient).values(), expected.gradient),
            2 * storage_tolerance(type));
  EXPECT_TRUE(gradient.padding_untouched());
}

TEST(SoftmaxCrossEntropy, ATeacherMatchesFloat64) {
  for (const DType type : kAllTypes) {
    check_taught(type, 10, 0, 0.5F, 4.0F, false);
    check_taught(type, 77, 3, 0.875F, 2.0F, true);
  }
  check_taught(DType::f32, 1, 0, 0.5F, 3.0F, false);
  check_taught(DType::f32, 40, 0, 1.0F, 1.0F, false);
}

TEST(SoftmaxCrossEntropy, RefusesAnImpossibleTeacher) {
  MapBuffer logits(DType::f32, 2, 3);
  const Array<std::int32_t> labels(2);
  const auto call = [&](const Teacher& teacher) {
    return softmax_cross_entropy(nullptr, nullptr, nullptr, logits.data(), labels.data(), nullptr,
                                 {.teacher = teacher}, {DType::f32, 2, 3, 3}, nullptr);
  };
  EXPECT_TRUE(refused(call({logits.data(), 2, 0.5F, 1}), "teacher: leading dimension"));
  EXPECT_TRUE(refused(call({logits.data(), 3, 1.5F, 1}), "weight is not in 0 .. 1"));
  EXPECT_TRUE(refused(call({logits.data(), 3, 0.5F, 0}), "temperature is not positive"));
}

TEST(SoftmaxCrossEntropy, LargeLogitsDoNotOverflow) {
  MapBuffer logits(DType::f32, 2, 3);
  logits.fill({1000, 1000, -1000, -1e30, 0, -INFINITY});
  const Array<std::int32_t> labels(std::vector<std::int32_t>{0, 1});
  const Array<float> losses(2);
  MapBuffer gradient(DType::f32, 2, 3);
  ASSERT_TRUE(succeeded(softmax_cross_entropy(losses.data(), gradient.data(), nullptr, logits.data(),
                                              labels.data(), nullptr, {}, {DType::f32, 2, 3, 3}, nullptr)));
  EXPECT_FLOAT_EQ(losses.values()[0], std::log(2.0F));
  EXPECT_EQ(losses.values()[1], 0.0F);
  EXPECT_EQ(gradient.values(), (std::vector<double>{-0.5, 0.5, 0, 0, 0, 0}));
}

TEST(SoftmaxCrossEntropy, BadLogitsAndLabelsShowAndCountAsWrong) {
  MapBuffer logits(DType::f32, 4, 3);
  logits.fill({NAN, 0, 0, 0, INFINITY, 0, 1, 2, 3, 5, 0, 0});
  const Array<std::int32_t> labels(std::vector<std::int32_t>{0, 1, 3, 0});
  const Array<float> losses(4);
  const Array<LossMetrics> metrics(std::vector<LossMetrics>{LossMetrics{}});
  MapBuffer gradient(DType::f32, 4, 3);
  ASSERT_TRUE(succeeded(softmax_cross_entropy(losses.data(), gradient.data(), metrics.data(), logits.data(),
                                              labels.data(), nullptr, {}, {DType::f32, 4, 3, 3}, nullptr)));
  for (std::size_t n = 0; n < 4; ++n) {
    EXPECT_EQ(std::isnan(losses.values()[n]), n < 3);
    EXPECT_EQ(std::isnan(gradient.values()[3 * n]), n < 3);
  }
  EXPECT_EQ(metrics.data()->samples, 4);
  EXPECT_EQ(metrics.data()->top1, 1);
  EXPECT_EQ(metrics.data()->top5, 1);
  EXPECT_TRUE(std::isnan(metrics.data()->loss_sum));
}

TEST(SoftmaxCrossEntropy, RefusesWhatBreaksTheContract) {
  MapBuffer logits(DType::f32, 2, 3);
  const Array<std::int32_t> labels(2);
  const Array<float> losses(2);
  const Array<LossMetrics> metrics(1);
  const auto call = [&](float* out, const std::int32_t* l, float smoothing, std::int64_t classes) {
    return softmax_cross_entropy(out, nullptr, metrics.data(), logits.data(), l, nullptr,
                                 {smoothing, 1.0F, nullptr}, {DType::f32, 2, classes, 3}, nullptr);
  };
  EXPECT_TRUE(refused(call(nullptr, labels.data(), 0, 3), "metrics need the losses"));
  EXPECT_TRUE(refused(call(losses.data(), nullptr, 0, 3), "neither labels nor soft_targets"));
  EXPECT_TRUE(refused(call(losses.data(), labels.data(), 1.5F, 3), "label_smoothing"));
  EXPECT_TRUE(refused(call(losses.data(), labels.data(), 0, 4), "leading dimension"));
  EXPECT_TRUE(refused(call(losses.data(), labels.data(), 0, 0), "classes must be positive"));
  EXPECT_TRUE(succeeded(softmax_cross_entropy(nullptr, nullptr, metrics.data(), nullptr, nullptr, nullptr, {},
                                              {DType::f32, 0, 3, 3}, nullptr)));
}

}  // namespace
}  // namespace secateur::kernels::test
