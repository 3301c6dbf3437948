// Batch normalisation (Ioffe and Szegedy 2015), fused with the residual add and the ReLU that follow it:
//
//   z = (x - mean) * inverse_deviation * scale + shift + residual       y = relu ? max(z, 0) : z
//   inverse_deviation = 1 / sqrt(variance + epsilon), the variance of a batch taken with 1 / rows
//
// Maps x, residual, y and their gradients are [rows, channels] with one leading dimension; everything that
// belongs to a channel is fp32 [channels]. Lanes channels .. zeroed_channels-1 of y, dx and dresidual are
// written as zeros (0: none), so that a map whose stored width is padded stays clean.
//
// Statistics are merged in small groups around their own means: a mean far above the deviation does no harm.
// All sums are taken in a fixed order. A NaN in a channel's x makes that channel's statistics and y NaN (a
// ReLU passes NaN on). A constant channel has y = shift (+ residual) and passes dx = 0 up to rounding.
// rows = 0 or channels = 0 does nothing (training: running statistics stay as they are).
#pragma once

#include <cstdint>

#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

struct BatchNormShape {
  DType type = DType::f32;
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  std::int64_t ld = 0;
  std::int64_t zeroed_channels = 0;
};

struct BatchNormParameters {
  const float* scale = nullptr;  // null: ones
  const float* shift = nullptr;  // null: zeros
  float epsilon = 1e-5F;
};

// running = (1 - momentum) * running + momentum * batch, with the unbiased variance (1 / (rows - 1); biased
// for one row).
struct BatchNormRunning {
  float* mean = nullptr;  // null: not kept
  float* variance = nullptr;
  float momentum = 0.1F;
};

// Bytes of scratch for training and for backward.
[[nodiscard]] std::int64_t batch_norm_workspace(const BatchNormShape& shape);

// Normalises by the statistics of this batch and saves them for the backward pass. `residual` may be null. y
// may be residual. Two reads of x and one of residual, one write.
[[nodiscard]] Status batch_norm_act_training(void* y, float* saved_mean, float* saved_inverse_deviation,
                                             const BatchNormRunning& running, const void* x,
                                             const void* residual, const BatchNormParameters& parameters,
                                             bool relu, const BatchNormShape& shape, void* workspace,
                                             std::int64_t workspace_bytes, StreamHandle stream);

// The same in two parts, for a batch that lies on several devices: the moments of each part, then, once every
// device has those of all, y of its own part.
//
// moments [channels, 3]: of each channel the number of values, their mean, and the sum of their squared
// deviations from it. Two reads of x.
[[nodiscard]] Status batch_norm_moments(float* moments, const void* x, const BatchNormShape& shape,
                                        void* workspace, std::int64_t workspace_bytes, StreamHandle stream);
// moments [parts, channels, 3], merged in their order. A part without values may be all zeros.
[[nodiscard]] Status batch_norm_act_merged(void* y, float* saved_mean, float* saved_inverse_deviation,
                                           const BatchNormRunning& running, const float* moments,
                                           std::int64_t parts, const void* x, const void* residual,
                                           const BatchNormParameters& parameters, bool relu,
                                           const BatchNormShape& shape, StreamHandle stream);

// Normalises by statistics of a batch that are known already (batch_norm_sums.h). `residual` may be null. One
// read of x and of residual, one write.
[[nodiscard]] Status batch_norm_act_apply(void* y, const void* x, const void* residual,
                                          const BatchNormParameters& parameters, const float* saved_mean,
                                          const float* saved_inverse_deviation, bool relu,
                                          const BatchNormShape& shape, StreamHandle stream);

// Normalises by given statistics. `residual` may be null. y may be x or residual.
[[nodiscard]] Status batch_norm_act_inference(void* y, const void* x, const void* residual,
                                              const BatchNormParameters& parameters, const float* mean,
                                              const float* variance, bool relu, const BatchNormShape& shape,
                                              StreamHandle stream);

// inverse_deviation[c] = 1 / sqrt(variance[c] + epsilon): what the backward pass of given statistics takes.
[[nodiscard]] Status batch_norm_inverse_deviation(float* inverse_deviation, const float* variance,
                                                  float epsilon, std::int64_t channels, StreamHandle stream);

// Gradients, with dz = dy where the ReLU passed (y > 0), else 0, and xhat = (x - mean) * inverse_deviation:
//   dshift = sum dz      dscale = sum dz * xhat      dresidual = dz
//   dx = scale * inverse_deviation * (dz - (dshift + xhat * dscale) / rows)      batch statistics
//   dx = scale * inverse_deviation * dz                                         given statistics
// Each output may be null, and dx or dresidual may be dy. `y` may be null where no residual was added: the
// sign of z is then found from x as the forward pass found it; it must be given where there was a residual
// and a ReLU. Two reads of x and dy (and y), one write of each wanted gradient.
struct BatchNormGradients {
  void* dx = nullptr;
  void* dresidual = nullptr;
  float* dscale = nullptr;
  float* dshift = nullptr;
};

[[nodiscard]] Status batch_norm_act_backward(const BatchNormGradients& gradients, const void* dy,
                                             const void* x, const void* y,
                                             const BatchNormParameters& parameters, const float* saved_mean,
                                             const float* saved_inverse_deviation, bool relu,
                                             bool batch_statistics, const BatchNormShape& shape,
                                             void* workspace, std::int64_t workspace_bytes,
                                             StreamHandle stream);

// The same in two parts, likewise: the sums over the own part, and dx and dresidual of it from the sums over
// all parts, which have total_rows rows. sums [2, channels]: sum dz, then sum dz * xhat, which dshift and
// dscale (either may be null) get too.
[[nodiscard]] Status batch_norm_act_backward_sums(float* sums, float* dscale, float* dshift, const void* dy,
                                                  const void* x, const void* y,
                                                  const BatchNormParameters& parameters,
                                                  const float* saved_mean,
                                                  const float* saved_inverse_deviation, bool relu,
                                                  const BatchNormShape& shape, void* workspace,
                                                  std::int64_t workspace_bytes, StreamHandle stream);
struct BatchNormGradientSums {  // [channels] each; both null for given statistics
  const float* dz = nullptr;
  const float* dz_xhat = nullptr;
};
[[nodiscard]] Status batch_norm_act_backward_apply(
    void* dx, void* dresidual, const BatchNormGradientSums& sums, std::int64_t total_rows, const void* dy,
    const void* x, const void* y, const BatchNormParameters& parameters, const float* saved_mean,
    const float* saved_inverse_deviation, bool relu, const BatchNormShape& shape, StreamHandle stream);

}  // namespace secateur::kernels
