#include "secateur/kernels/batch_norm_act.h"

#include "device/checks.h"
#include "device/map_source.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr std::int64_t kMaxRowBlocks = 512;
constexpr std::int64_t kRowsAThread = 16;
constexpr int kFinishLanes = 8;  // channels of a block that merges partial results
constexpr int kFinishThreads = 256;

struct Channels {
  const float* scale;
  const float* shift;
  const float* mean;
  const float* inverse_deviation;
};

// What turns x into z for one channel. One function for both passes, so that the backward pass finds the same sign.
struct Affine {
  float mean;
  float factor;
  float shift;
  __device__ __forceinline__ float operator()(float x) const { return fmaf(x - mean, factor, shift); }
};

template <int kWidth>
__device__ __forceinline__ void load_affine(const Channels& channels, std::int64_t channel, std::int64_t valid,
                                            Affine (&affine)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    affine[i] = {0.0F, 0.0F, 0.0F};
    if (i >= valid) continue;
    const float scale = channels.scale != nullptr ? channels.scale[channel + i] : 1.0F;
    affine[i].mean = channels.mean[channel + i];
    affine[i].factor = channels.inverse_deviation[channel + i] * scale;
    affine[i].shift = channels.shift != nullptr ? channels.shift[channel + i] : 0.0F;
  }
}

// Passes NaN on, as a comparison with fmaxf would not.
__device__ __forceinline__ float rectify(float z) { return z <= 0.0F ? 0.0F : z; }

// --- statistics of a batch ----------------------------------------------------------------------------------------

// One part for each row block: moments relative to the first row of the whole map.
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kTileThreads)
    batch_statistics_kernel(Moments* parts, const T* x, std::int64_t ld, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = tiling.channels - at.channel;
  const std::int64_t share = ceil_div(tiling.rows, tiling.row_blocks);
  const std::int64_t first = least(at.row_block * share, tiling.rows);
  const std::int64_t rows = least(share, tiling.rows - first);
  float origin[kWidth] = {};
  if (valid > 0) load_pack<T, kWidth>(x + at.channel, valid, origin);
  MapStatistics statistics[kWidth];
  map_statistics<kWidth, false>(GlobalMap<T, kWidth>{x + first * ld, ld}, rows, at.channel, valid, tiling.lanes,
                                origin, statistics);
  if (at.row_in_block > 0) return;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (i < valid) parts[at.row_block * tiling.channels + at.channel + i] = statistics[i].moments;
  }
}

struct MergeMoments {
  __device__ __forceinline__ Moments operator()(const Moments& a, const Moments& b) const { return merge(a, b); }
};

template <typename T>
__global__ void __launch_bounds__(kFinishThreads)
    batch_statistics_finish_kernel(float* saved_mean, float* saved_inverse_deviation, BatchNormRunning running,
                                   const Moments* parts, const T* x, std::int64_t num_parts, std::int64_t channels,
                                   float epsilon) {
  const std::int64_t channel = block_index() * kFinishLanes + thread_index() % kFinishLanes;
  Moments moments;
  if (channel < channels) {
    for (std::int64_t part = thread_index() / kFinishLanes; part < num_parts; part += kFinishThreads / kFinishLanes) {
      moments = merge(moments, parts[part * channels + channel]);
    }
  }
  moments = column_reduce<kFinishThreads>(moments, kFinishLanes, MergeMoments{});
  if (thread_index() >= kFinishLanes || channel >= channels) return;
  const float mean = moments.mean + to_float(x[channel]);
  const float variance = moments.centred_squares / moments.count;
  saved_mean[channel] = mean;
  saved_inverse_deviation[channel] = 1.0F / sqrtf(variance + epsilon);
  if (running.mean == nullptr) return;
  const float unbiased = moments.count > 1.0F ? moments.centred_squares / (moments.count - 1.0F) : variance;
  running.mean[channel] += running.momentum * (mean - running.mean[channel]);
  running.variance[channel] += running.momentum * (unbiased - running.variance[channel]);
}

// --- forward ------------------------------------------------------------------------------------------------------

// kVariance: inverse_deviation holds the variance, as running statistics do.
template <typename T, bool kAligned, bool kVariance>
__global__ void __launch_bounds__(kTileThreads)
    batch_norm_apply_kernel(T* y, const T* x, const T* residual, Channels channels, std::int64_t zeroed, float epsilon,
                            bool relu, std::int64_t ld, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid = zeroed - at.channel;  // lanes to write; those past the channels have a factor of zero
  const std::int64_t real = tiling.channels - at.channel;
  if (valid <= 0) return;
  Affine affine[kWidth];
  load_affine(channels, at.channel, real, affine);
  if constexpr (kVariance) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (i >= real) continue;
      const float scale = channels.scale != nullptr ? channels.scale[at.channel + i] : 1.0F;
      affine[i].factor = scale / sqrtf(channels.inverse_deviation[at.channel + i] + epsilon);
    }
  }
#pragma unroll 4
  for (std::int64_t row = at.first_row; row < tiling.rows; row += at.row_stride) {
    const std::int64_t offset = row * ld + at.channel;
    float z[kWidth];
    float added[kWidth] = {};
    load_pack<T, kWidth>(x + offset, real, z);
    if (residual != nullptr) load_pack<T, kWidth>(residual + offset, real, added);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      z[i] = affine[i](z[i]) + added[i];
      if (relu) z[i] = rectify(z[i]);
    }
    store_pack<T, kWidth>(y + offset, valid, z);
  }
}

// --- backward -----------------------------------------------------------------------------------------------------

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
    for (std::int64_t part = thread_index() / kFinishLanes; part < num_parts; part += kFinishThreads / kFinishLanes) {
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
                               const float* sums, std::int64_t zeroed, bool relu, std::int64_t ld, RowTiling tiling) {
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
  if (sums != nullptr) {
    load_floats(sums + at.channel, real, mean_dz);
    load_floats(sums + tiling.channels + at.channel, real, mean_product);
  }
  const float share = 1.0F / static_cast<float>(tiling.rows);
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
    for (int i = 0; i < kWidth; ++i) dz[i] = affine[i].factor * (dz[i] - mean_dz[i] - xhat[i] * mean_product[i]);
    store_pack<T, kWidth>(dx + offset, valid, dz);
  }
}

// --- launchers ----------------------------------------------------------------------------------------------------

// Row blocks for sums do not depend on alignment, so that the workspace fits either way.
std::int64_t row_blocks_of(const BatchNormShape& shape) {
  return tile_rows(shape.rows, shape.channels, 1, kRowsAThread, kMaxRowBlocks).row_blocks;
}

RowTiling sum_tiling(const BatchNormShape& shape, int width) {
  RowTiling tiling = tile_rows(shape.rows, shape.channels, width, kRowsAThread, kMaxRowBlocks);
  tiling.row_blocks = least(tiling.row_blocks, row_blocks_of(shape));
  return tiling;
}

// Covers the zeroed lanes too, but counts only the real channels as channels.
RowTiling map_tiling(const BatchNormShape& shape, std::int64_t written, int width) {
  constexpr std::int64_t kNoLimit = std::int64_t{1} << 24;
  RowTiling tiling = tile_rows(shape.rows, written, width, 4, kNoLimit);
  tiling.channels = shape.channels;
  return tiling;
}

std::int64_t written_channels(const BatchNormShape& shape) { return greatest(shape.channels, shape.zeroed_channels); }

bool check_shape(Check& check, const BatchNormShape& shape) {
  check.type(shape.type).size("rows", shape.rows).size("channels", shape.channels);
  check.size("zeroed_channels", shape.zeroed_channels).product("map", shape.rows, shape.ld);
  check.that(shape.ld >= written_channels(shape),
             "leading dimension " + std::to_string(shape.ld) + " is less than " +
                 std::to_string(written_channels(shape)) + " channels");
  return !check.failed() && shape.rows > 0 && shape.channels > 0;
}

void check_workspace(Check& check, const BatchNormShape& shape, const void* workspace, std::int64_t bytes) {
  const std::int64_t needed = batch_norm_workspace(shape);
  check.pointer("workspace", workspace).aligned("workspace", workspace, sizeof(float));
  check.that(bytes >= needed,
             "workspace has " + std::to_string(bytes) + " bytes, needs " + std::to_string(needed));
}

// Calls function.operator()<T, kAligned>() for the type and for whether all of the maps allow packs.
template <typename Function>
Status with_layout(const BatchNormShape& shape, std::initializer_list<const void*> maps, Function&& function) {
  bool aligned = true;
  for (const void* map : maps) aligned = aligned && rows_aligned(map, shape.ld, size_of(shape.type));
  return with_type(shape.type, [&]<typename T>() -> Status {
    return aligned ? function.template operator()<T, true>() : function.template operator()<T, false>();
  });
}

template <typename T, bool kAligned, bool kVariance>
Status launch_apply(void* y, const void* x, const void* residual, const Channels& channels, float epsilon, bool relu,
                    const BatchNormShape& shape, StreamHandle stream) {
  const std::int64_t written = written_channels(shape);
  const RowTiling tiling = map_tiling(shape, written, kPackWidth<T, kAligned>);
  return launch("batch_norm_act", &batch_norm_apply_kernel<T, kAligned, kVariance>,
                {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream, static_cast<T*>(y),
                static_cast<const T*>(x), static_cast<const T*>(residual), channels, written, epsilon, relu, shape.ld,
                tiling);
}

}  // namespace

std::int64_t batch_norm_workspace(const BatchNormShape& shape) {
  if (shape.rows <= 0 || shape.channels <= 0) return 0;
  // Three floats a part for the moments, two for the gradient sums and two more for their totals.
  return (3 * row_blocks_of(shape) + 2) * shape.channels * static_cast<std::int64_t>(sizeof(float));
}

Status batch_norm_act_training(void* y, float* saved_mean, float* saved_inverse_deviation,
                               const BatchNormRunning& running, const void* x, const void* residual,
                               const BatchNormParameters& parameters, bool relu, const BatchNormShape& shape,
                               void* workspace, std::int64_t workspace_bytes, StreamHandle stream) {
  Check check("batch_norm_act_training");
  if (!check_shape(check, shape)) return check.status();
  const std::int64_t bytes = size_of(shape.type);
  check.pointer("x", x).aligned("x", x, bytes).pointer("y", y).aligned("y", y, bytes);
  check.aligned("residual", residual, bytes).pointer("saved_mean", saved_mean);
  check.pointer("saved_inverse_deviation", saved_inverse_deviation);
  check.that((running.mean == nullptr) == (running.variance == nullptr),
             "running mean and variance must both be given or both be null");
  check.that(y != x, "y must not be x: the backward pass needs x");
  check_workspace(check, shape, workspace, workspace_bytes);
  if (check.failed()) return check.status();
  return with_layout(shape, {x, y, residual}, [&]<typename T, bool kAligned>() -> Status {
    auto* parts = static_cast<Moments*>(workspace);
    const auto* data = static_cast<const T*>(x);
    const RowTiling tiling = sum_tiling(shape, kPackWidth<T, kAligned>);
    Status status = launch("batch_norm_act", &batch_statistics_kernel<T, kAligned>,
                           {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream, parts, data,
                           shape.ld, tiling);
    if (!status.ok()) return status;
    status = launch("batch_norm_act", &batch_statistics_finish_kernel<T>,
                    {ceil_div(shape.channels, kFinishLanes), 1, 1}, kFinishThreads, 0, stream, saved_mean,
                    saved_inverse_deviation, running, parts, data, tiling.row_blocks, shape.channels,
                    parameters.epsilon);
    if (!status.ok()) return status;
    const Channels channels{parameters.scale, parameters.shift, saved_mean, saved_inverse_deviation};
    return launch_apply<T, kAligned, false>(y, x, residual, channels, parameters.epsilon, relu, shape, stream);
  });
}

Status batch_norm_act_inference(void* y, const void* x, const void* residual, const BatchNormParameters& parameters,
                                const float* mean, const float* variance, bool relu, const BatchNormShape& shape,
                                StreamHandle stream) {
  Check check("batch_norm_act_inference");
  if (!check_shape(check, shape)) return check.status();
  const std::int64_t bytes = size_of(shape.type);
  check.pointer("x", x).aligned("x", x, bytes).pointer("y", y).aligned("y", y, bytes);
  check.aligned("residual", residual, bytes).pointer("mean", mean).pointer("variance", variance);
  if (check.failed()) return check.status();
  return with_layout(shape, {x, y, residual}, [&]<typename T, bool kAligned>() -> Status {
    const Channels channels{parameters.scale, parameters.shift, mean, variance};
    return launch_apply<T, kAligned, true>(y, x, residual, channels, parameters.epsilon, relu, shape, stream);
  });
}

Status batch_norm_act_backward(const BatchNormGradients& gradients, const void* dy, const void* x, const void* y,
                               const BatchNormParameters& parameters, const float* saved_mean,
                               const float* saved_inverse_deviation, bool relu, bool batch_statistics,
                               const BatchNormShape& shape, void* workspace, std::int64_t workspace_bytes,
                               StreamHandle stream) {
  Check check("batch_norm_act_backward");
  if (!check_shape(check, shape)) return check.status();
  const std::int64_t bytes = size_of(shape.type);
  check.pointer("dy", dy).aligned("dy", dy, bytes).pointer("x", x).aligned("x", x, bytes).aligned("y", y, bytes);
  check.aligned("dx", gradients.dx, bytes).aligned("dresidual", gradients.dresidual, bytes);
  check.pointer("saved_mean", saved_mean).pointer("saved_inverse_deviation", saved_inverse_deviation);
  check.that(gradients.dx == nullptr || gradients.dx != gradients.dresidual, "dx and dresidual are one buffer");
  check.that(gradients.dresidual == nullptr || !relu || y != nullptr,
             "y is null: with a residual and a ReLU the sign of the output cannot be found from x");
  check_workspace(check, shape, workspace, workspace_bytes);
  if (check.failed()) return check.status();
  return with_layout(shape, {dy, x, y, gradients.dx, gradients.dresidual}, [&]<typename T, bool kAligned>() -> Status {
    constexpr int kWidth = kPackWidth<T, kAligned>;
    const auto* dy_data = static_cast<const T*>(dy);
    const auto* x_data = static_cast<const T*>(x);
    const auto* y_data = static_cast<const T*>(y);
    const Channels channels{parameters.scale, parameters.shift, saved_mean, saved_inverse_deviation};
    float* sums = nullptr;
    const bool wants_sums = gradients.dscale != nullptr || gradients.dshift != nullptr ||
                            (batch_statistics && gradients.dx != nullptr);
    if (wants_sums) {
      sums = static_cast<float*>(workspace);
      float* parts = sums + 2 * shape.channels;
      const RowTiling tiling = sum_tiling(shape, kWidth);
      Status status = launch("batch_norm_act", &batch_norm_reduce_kernel<T, kAligned>,
                             {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream, parts, dy_data,
                             x_data, y_data, channels, relu, shape.ld, tiling);
      if (!status.ok()) return status;
      status = launch("batch_norm_act", &batch_norm_reduce_finish_kernel,
                      {ceil_div(2 * shape.channels, kFinishLanes), 1, 1}, kFinishThreads, 0, stream, sums,
                      gradients.dscale, gradients.dshift, parts, tiling.row_blocks, shape.channels);
      if (!status.ok()) return status;
    }
    if (gradients.dx == nullptr && gradients.dresidual == nullptr) return Status::success();
    const std::int64_t written = written_channels(shape);
    const RowTiling tiling = map_tiling(shape, written, kWidth);
    return launch("batch_norm_act", &batch_norm_gradient_kernel<T, kAligned>,
                  {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream,
                  static_cast<T*>(gradients.dx), static_cast<T*>(gradients.dresidual), dy_data, x_data, y_data,
                  channels, batch_statistics ? sums : nullptr, written, relu, shape.ld, tiling);
  });
}

}  // namespace secateur::kernels
