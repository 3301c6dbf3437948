// Mean and centred sum of squares that do not cancel: values are taken a few at a time, each small group
// exactly around its own mean, and groups are merged by Chan, Golub and LeVeque's formula (1979).
#pragma once

#include "numeric.cuh"

namespace secateur::kernels {

struct Moments {
  float count = 0.0F;
  float mean = 0.0F;
  float centred_squares = 0.0F;
};

__device__ __forceinline__ Moments merge(const Moments& a, const Moments& b) {
  if (a.count == 0.0F) return b;
  if (b.count == 0.0F) return a;
  Moments both;
  both.count = a.count + b.count;
  const float delta = b.mean - a.mean;
  const float share = b.count / both.count;
  both.mean = a.mean + delta * share;
  both.centred_squares = a.centred_squares + b.centred_squares + delta * delta * (a.count * share);
  return both;
}

// The first `valid` of kCount values.
template <int kCount>
__device__ __forceinline__ Moments moments_of(const float (&values)[kCount], int valid) {
  Moments moments;
  if (valid <= 0) return moments;
  float sum = 0.0F;
#pragma unroll
  for (int i = 0; i < kCount; ++i) sum += i < valid ? values[i] : 0.0F;
  moments.count = static_cast<float>(valid);
  moments.mean = sum / moments.count;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const float centred = i < valid ? values[i] - moments.mean : 0.0F;
    moments.centred_squares += centred * centred;
  }
  return moments;
}

}  // namespace secateur::kernels
