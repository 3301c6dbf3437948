// Loss of a classifier, its gradient, and how often it was right, from the logits z [samples, classes] in one
// go:
//
//   p = softmax(z_n)      q = (1 - smoothing) * onehot(label) + smoothing / classes
//   loss_n = -sum over k of q_k log p_k
//   dz = gradient_scale * (p * sum q - q)
//   rank_n = number of other classes whose logit is not below the label's: a tie counts against it
//   top1 counts rank 0, top5 rank below 5
//
// or with q = soft_targets[n], [samples, classes] fp32 dense, in place of label and smoothing (the label, if
// given, still says what is right). A sample with a negative label is ignored: loss 0, gradient 0, counted
// nowhere. A label of `classes` or more gives a NaN loss and gradient. A NaN among the logits, or +infinity,
// does too, and such a sample counts as wrong.
//
// With a teacher (Hinton et al. 2015), of weight w at temperature T, a sample that is not ignored has
//
//   loss_n = (1 - w) * the above + w * T^2 * sum over k of t_k (log t_k - log s_k)
//   dz = gradient_scale * ((1 - w) * (p * sum q - q) + w * T * (s - t))
//
// with t = softmax(teacher_n / T) and s = softmax(z_n / T).
//
// gradient_scale is host_scale * *device_scale * sample_scales[n * sample_stride] (null: 1), so that a loss
// scale can change between replays of a graph and losses can be weighted. All outputs may be null; the
// gradient may be the logits. Metrics are added to (the caller zeroes them), the losses in fp64 in a fixed
// order. Two passes over a row, the second from cache; three with a teacher.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

struct LossMetrics {
  double loss_sum = 0.0;
  std::int64_t samples = 0;  // that were not ignored
  std::int64_t top1 = 0;
  std::int64_t top5 = 0;
};

struct Teacher {
  const void* logits = nullptr;  // of the type of the logits; null: no teacher
  std::int64_t ld = 0;
  float weight = 0.0F;  // in [0, 1]
  float temperature = 1.0F;
};

struct LossOptions {
  float label_smoothing = 0.0F;
  float host_scale = 1.0F;
  const float* device_scale = nullptr;
  const float* sample_scales = nullptr;
  std::int64_t sample_stride = 1;
  Teacher teacher = {};
};

struct LogitsShape {
  DType type = DType::f32;
  std::int64_t samples = 0;
  std::int64_t classes = 0;
  std::int64_t ld = 0;
};

// losses [samples] fp32 is needed where metrics are wanted. gradient has the type and leading dimension of
// the logits.
[[nodiscard]] Status softmax_cross_entropy(float* losses, void* gradient, LossMetrics* metrics,
                                           const void* logits, const std::int32_t* labels,
                                           const float* soft_targets, const LossOptions& options,
                                           const LogitsShape& shape, StreamHandle stream);

}  // namespace secateur::kernels
