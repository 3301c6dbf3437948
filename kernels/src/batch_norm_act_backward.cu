#include "device/batch_norm.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

// dz of one pack, and xhat.
template <typename T, int kWidth>
__device__ __forceinline__ void load_gradient(const T* dy, const T* x, const T* y, std::int64_t offset,
                                              std::int64_t valid, bool relu, const Affine (&affine)[kWidth],
                                              const float (&inverse_deviation)[kWidth], float (&dz)[kWidth],
                                              float (&xhat)[kWidth]) {
  load_pack<T, kWidth>(dy + offset, valid, dz);
  load_pack<T, kWidth>(x + offset, valid, xhat);
  float z[kWidth] = {};
  if (relu && y != nullptr) load_pack<T, kWidth>(y + offset, valid, z);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (relu && y == nullptr) z[i] = affine[i](xhat[i]);
    if (relu && z[i] <= 0.0F) dz[i] = 0.0F;
    xhat[i] = (xhat[i] - affine[i].mean) * inverse_deviation[i];
  }
}

// Sums of dz and dz * xhat over a row block: parts [row_blocks, 2, channels].
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    batch_norm_reduce_kernel(float* parts, const T* dy, const T* x, const T* y, Channels channels, bool relu,
                             std::int64_t ld, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = tiling.channels - at.channel;
  Affine affine[kWidth];
  float inverse[kWidth];
  load_affine(channels, at.channel, valid, affine);
  load_floats(channels.inverse_deviation + at.channel, valid, inverse);
  float sum[kWidth] = {};
  float product[kWidth] = {};
  if (valid > 0) {
#pragma unroll 2
    for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
      float dz[kWidth];
      float xhat[kWidth];
      load_gradient<T, kWidth>(dy, x, y, row * ld + at.channel, valid, relu, affine, inverse, dz, xhat);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        sum[i] += dz[i];
        product[i] += dz[i] * xhat[i];
      }
    }
  }
  float* part = parts + at.row_block * 2 * tiling.channels + at.channel;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const float total = column_reduce<kTileThreads>(sum[i], tiling.lanes, Sum{});
    const float total_product = column_reduce<kTileThreads>(product[i], tiling.lanes, Sum{});
    if (at.row_in_block > 0 || i >= valid) continue;
    part[i] = total;
    part[tiling.channels + i] = total_product;
  }
}

// sums [2, channels] for the next kernel; blocks of parts are added in fp64.
__global__ void __launch_bounds__(kFinishThreads)
    batch_norm_reduce_finish_kernel(float* sums, float* dscale, float* dshift, const float* parts,
                                    std::int64_t num_parts, std::int64_t channels) {
  const std::int64_t slot = block_index() * kFinishLanes + thread_index() % kFinishLanes;
  double total = 0.0;
  if (slot < 2 * channels) {
    for (std::int64_t part = thread_index() / kFinishLanes; part < num_parts;
         part += kFinishThreads / kFinishLanes) {
      total += parts[part * 2 * channels + slot];
    }
  }
  total = column_reduce<kFinishThreads>(total, kFinishLanes, Sum{});
  if (thread_index() >= kFinishLanes || slot >= 2 * channels) return;
  const auto rounded = static_cast<float>(total);
  sums[slot] = rounded;
  if (slot < channels) {
    if (dshift != nullptr) dshift[slot] = rounded;
  } else if (dscale != nullptr) {
    dscale[slot - channels] = rounded;
  }
}

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    batch_norm_gradient_kernel(T* dx, T* dresidual, const T* dy, const T* x, const T* y, Channels channels,
                               BatchNormGradientSums sums, float share, std::int64_t zeroed, bool relu,
                               std::int64_t ld, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = zeroed - at.channel;
  const std::int64_t real = tiling.channels - at.channel;
  if (valid <= 0) return;
  Affine affine[kWidth];
  float inverse[kWidth];
  float mean_dz[kWidth] = {};
  float mean_product[kWidth] = {};
  load_affine(channels, at.channel, real, affine);
  load_floats(channels.inverse_deviation + at.channel, real, inverse);
  if (sums.dz != nullptr) {
    load_floats(sums.dz + at.channel, real, mean_dz);
    load_floats(sums.dz_xhat + at.channel, real, mean_product);
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    mean_dz[i] *= share;
    mean_product[i] *= share;
  }
#pragma unroll 2
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    const std::int64_t offset = row * ld + at.channel;
    float dz[kWidth];
    float xhat[kWidth];
    load_gradient<T, kWidth>(dy, x, y, offset, real, relu, affine, inverse, dz, xhat);
    if (dresidual != nullptr) store_pack<T, kWidth>(dresidual + offset, valid, dz);
    if (dx == nullptr) continue;
#pragma unroll
    for (int i = 0; i < kWidth; ++i)
      dz[i] = affine[i].factor * (dz[i] - mean_dz[i] - xhat[i] * mean_product[i]);
    store_pack<T, kWidth>(dx + offset, valid, dz);
  }
}

// `parts`: scratch for the partial sums.
Status reduce_gradients(float* sums, float* dscale, float* dshift, const void* dy, const void* x,
                        const void* y, const BatchNormParameters& parameters, const float* saved_mean,
                        const float* saved_inverse_deviation, bool relu, const BatchNormShape& shape,
                        float* parts, StreamHandle stream) {
  return with_layout(shape, {dy, x, y}, [&]<typename T, bool kAligned>() -> Status {
    const Channels channels{parameters.scale, parameters.shift, saved_mean, saved_inverse_deviation};
    const RowTiling tiling = sum_tiling(shape, kPackWidth<T, kAligned>);
    const Status status = launch("batch_norm_act", &batch_norm_reduce_kernel<T, kAligned>,
                                 {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream,
                                 parts, static_cast<const T*>(dy), static_cast<const T*>(x),
                                 static_cast<const T*>(y), channels, relu, shape.ld, tiling);
    if (!status.ok()) return status;
    return launch("batch_norm_act", &batch_norm_reduce_finish_kernel,
                  {ceil_div(2 * shape.channels, kFinishLanes), 1, 1}, kFinishThreads, 0, stream, sums, dscale,
                  dshift, parts, tiling.row_blocks, shape.channels);
  });
}

void check_gradient_operands(Check& check, const void* dy, const void* x, const void* y,
                             const float* saved_mean, const float* saved_inverse_deviation,
                             const BatchNormShape& shape) {
  const std::int64_t bytes = size_of(shape.type);
  check.pointer("dy", dy)
      .aligned("dy", dy, bytes)
      .pointer("x", x)
      .aligned("x", x, bytes)
      .aligned("y", y, bytes);
  check.pointer("saved_mean", saved_mean).pointer("saved_inverse_deviation", saved_inverse_deviation);
}

void check_gradient_maps(Check& check, const void* dx, const void* dresidual, const void* y, bool relu,
                         const BatchNormShape& shape) {
  const std::int64_t bytes = size_of(shape.type);
  check.aligned("dx", dx, bytes).aligned("dresidual", dresidual, bytes);
  check.that(dx == nullptr || dx != dresidual, "dx and dresidual are one buffer");
  check.that(dresidual == nullptr || !relu || y != nullptr,
             "y is null: with a residual and a ReLU the sign of the output cannot be found from x");
}

}  // namespace

Status batch_norm_act_backward_sums(float* sums, float* dscale, float* dshift, const void* dy, const void* x,
                                    const void* y, const BatchNormParameters& parameters,
                                    const float* saved_mean, const float* saved_inverse_deviation, bool relu,
                                    const BatchNormShape& shape, void* workspace,
                                    std::int64_t workspace_bytes, StreamHandle stream) {
  Check check("batch_norm_act_backward");
  if (!check_batch_norm_shape(check, shape)) return check.status();
  check_gradient_operands(check, dy, x, y, saved_mean, saved_inverse_deviation, shape);
  check.pointer("sums", sums);
  check_batch_norm_workspace(check, shape, workspace, workspace_bytes);
  if (check.failed()) return check.status();
  return reduce_gradients(sums, dscale, dshift, dy, x, y, parameters, saved_mean, saved_inverse_deviation,
                          relu, shape, static_cast<float*>(workspace), stream);
}

Status batch_norm_act_backward_apply(void* dx, void* dresidual, const BatchNormGradientSums& sums,
                                     std::int64_t total_rows, const void* dy, const void* x, const void* y,
                                     const BatchNormParameters& parameters, const float* saved_mean,
                                     const float* saved_inverse_deviation, bool relu,
                                     const BatchNormShape& shape, StreamHandle stream) {
  Check check("batch_norm_act_backward");
  if (!check_batch_norm_shape(check, shape)) return check.status();
  check_gradient_operands(check, dy, x, y, saved_mean, saved_inverse_deviation, shape);
  check_gradient_maps(check, dx, dresidual, y, relu, shape);
  check.that(total_rows >= shape.rows, "total_rows is " + std::to_string(total_rows) + ", less than the " +
                                           std::to_string(shape.rows) + " rows of the own part");
  check.that((sums.dz == nullptr) == (sums.dz_xhat == nullptr),
             "sums of dz and of dz * xhat must both be given or both be null");
  if (check.failed()) return check.status();
  if (dx == nullptr && dresidual == nullptr) return Status::success();
  return with_layout(shape, {dy, x, y, dx, dresidual}, [&]<typename T, bool kAligned>() -> Status {
    const Channels channels{parameters.scale, parameters.shift, saved_mean, saved_inverse_deviation};
    const std::int64_t written = written_channels(shape);
    const RowTiling tiling = map_tiling(shape, written, kPackWidth<T, kAligned>);
    return launch("batch_norm_act", &batch_norm_gradient_kernel<T, kAligned>,
                  {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream,
                  static_cast<T*>(dx), static_cast<T*>(dresidual), static_cast<const T*>(dy),
                  static_cast<const T*>(x), static_cast<const T*>(y), channels, sums,
                  1.0F / static_cast<float>(total_rows), written, relu, shape.ld, tiling);
  });
}

Status batch_norm_act_backward(const BatchNormGradients& gradients, const void* dy, const void* x,
                               const void* y, const BatchNormParameters& parameters, const float* saved_mean,
                               const float* saved_inverse_deviation, bool relu, bool batch_statistics,
                               const BatchNormShape& shape, void* workspace, std::int64_t workspace_bytes,
                               StreamHandle stream) {
  Check check("batch_norm_act_backward");
  if (!check_batch_norm_shape(check, shape)) return check.status();
  check_gradient_operands(check, dy, x, y, saved_mean, saved_inverse_deviation, shape);
  check_gradient_maps(check, gradients.dx, gradients.dresidual, y, relu, shape);
  check_batch_norm_workspace(check, shape, workspace, workspace_bytes);
  if (check.failed()) return check.status();
  // The workspace: the sums, then the parts that they are summed from.
  auto* sums = static_cast<float*>(workspace);
  const bool dx_needs_sums = batch_statistics && gradients.dx != nullptr;
  if (gradients.dscale != nullptr || gradients.dshift != nullptr || dx_needs_sums) {
    const Status status =
        reduce_gradients(sums, gradients.dscale, gradients.dshift, dy, x, y, parameters, saved_mean,
                         saved_inverse_deviation, relu, shape, sums + 2 * shape.channels, stream);
    if (!status.ok()) return status;
  }
  const BatchNormGradientSums given =
      dx_needs_sums ? BatchNormGradientSums{sums, sums + shape.channels} : BatchNormGradientSums{};
  return batch_norm_act_backward_apply(gradients.dx, gradients.dresidual, given, shape.rows, dy, x, y,
                                       parameters, saved_mean, saved_inverse_deviation, relu, shape, stream);
}

}  // namespace secateur::kernels
