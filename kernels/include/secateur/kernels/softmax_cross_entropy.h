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
// gradient_scale is host_scale * *device_scale * sample_scales[n * sample_stride] (null: 1), so that a loss
// scale can change between replays of a graph and losses can be weighted. All outputs may be null; the
// gradient may be the logits. Metrics are added to (the caller zeroes them), the losses in fp64 in a fixed
// order. Two passes over a row, the second from cache.
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

struct LossOptions {
  float label_smoothing = 0.0F;
  float host_scale = 1.0F;
  const float* device_scale = nullptr;
  const float* sample_scales = nullptr;
  std::int64_t sample_stride = 1;
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
