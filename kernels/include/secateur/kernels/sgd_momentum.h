// Weight update of a whole model in one launch: stochastic gradient descent with momentum (Sutskever et al.
// 2013, in the form in common use), on fp32 masters that lie in one slab.
//
//   g' = gradient_scale * g + (weight_decay + decay) * w + l1 * sign(w)      (sign(0) = 0)
//   v  = momentum * v + g'
//   w -= learning_rate * (nesterov ? g' + momentum * v : v)
//   copy = w rounded to copy_type      (where there is a copy)
//
// A segment is one parameter: `count` elements of the slab from `offset` on, seen as rows of `row_length`.
// Gradient and copy may be stored with wider rows (padded channels): element (r, i) is at gradient_offset + r
// * gradient_stride + i, and likewise in the copy; lanes past row_length are left alone. What no segment
// covers is left alone.
//
// learning_rate, momentum, gradient_scale and nesterov are read from *device* memory when the kernel runs, so
// that a captured graph follows a schedule. Where *skip is not zero (an overflow was found), nothing is
// written. NaN and infinity take part like any number. Five passes over the slab, half a pass more for a
// 16-bit copy.
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

struct SgdStep {
  float learning_rate = 0.1F;
  float momentum = 0.9F;
  float gradient_scale = 1.0F;  // takes a loss scale back out
  std::int32_t nesterov = 0;
};

struct SgdSegment {
  std::int64_t offset = 0;
  std::int64_t count = 0;
  std::int64_t row_length = 1;
  std::int64_t gradient_offset = 0;
  std::int64_t gradient_stride = 1;  // row_length where gradients are dense
  std::int64_t copy_offset = 0;
  std::int64_t copy_stride = 1;
  float weight_decay = 0.0F;
  float l1 = 0.0F;
};

struct SgdSlab {
  float* weights = nullptr;
  float* momentum = nullptr;
  const void* gradients = nullptr;
  DType gradient_type = DType::f32;
  void* copy = nullptr;  // null: no copy
  DType copy_type = DType::f32;
  const float* decay = nullptr;  // one an element, where the weights are; null: none
};

// `segments` is in host memory and is read before the call returns; `step` and `skip` (may be null) are on
// the device.
[[nodiscard]] Status sgd_momentum(const SgdSlab& slab, const SgdSegment* segments, std::int64_t num_segments,
                                  const SgdStep* step, const std::int32_t* skip, StreamHandle stream);

}  // namespace secateur::kernels
