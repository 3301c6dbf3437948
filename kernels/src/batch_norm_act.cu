#include "device/batch_norm.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

// Passes NaN on, as a comparison with fmaxf would not.
__device__ __forceinline__ float rectify(float z) { return z <= 0.0F ? 0.0F : z; }

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
  map_statistics<kWidth, false>(GlobalMap<T, kWidth>{x + first * ld, ld}, rows, at.channel, valid,
                                tiling.lanes, origin, statistics);
  if (at.row_in_block > 0) return;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (i < valid) parts[at.row_block * tiling.channels + at.channel + i] = statistics[i].moments;
  }
}

struct MergeMoments {
  __device__ __forceinline__ Moments operator()(const Moments& a, const Moments& b) const {
    return merge(a, b);
  }
};

// Of one channel over all parts; the result stands in the first kFinishLanes threads of the block.
__device__ __forceinline__ Moments merge_parts(const Moments* parts, std::int64_t num_parts,
                                               std::int64_t channel, std::int64_t channels) {
  Moments moments;
  if (channel < channels) {
    for (std::int64_t part = thread_index() / kFinishLanes; part < num_parts;
         part += kFinishThreads / kFinishLanes) {
      moments = merge(moments, parts[part * channels + channel]);
    }
  }
  return column_reduce<kFinishThreads>(moments, kFinishLanes, MergeMoments{});
}

// The means of the parts are counted from `x`, the first row of the map; from 0 where it is null.
template <typename T>
__global__ void __launch_bounds__(kFinishThreads)
    batch_statistics_finish_kernel(float* saved_mean, float* saved_inverse_deviation,
                                   BatchNormRunning running, const Moments* parts, const T* x,
                                   std::int64_t num_parts, std::int64_t channels, float epsilon) {
  const std::int64_t channel = block_index() * kFinishLanes + thread_index() % kFinishLanes;
  const Moments moments = merge_parts(parts, num_parts, channel, channels);
  if (thread_index() >= kFinishLanes || channel >= channels) return;
  const float mean = moments.mean + (x != nullptr ? to_float(x[channel]) : 0.0F);
  const float variance = moments.centred_squares / moments.count;
  saved_mean[channel] = mean;
  saved_inverse_deviation[channel] = 1.0F / sqrtf(variance + epsilon);
  if (running.mean == nullptr) return;
  const float unbiased = moments.count > 1.0F ? moments.centred_squares / (moments.count - 1.0F) : variance;
  running.mean[channel] += running.momentum * (mean - running.mean[channel]);
  running.variance[channel] += running.momentum * (unbiased - running.variance[channel]);
}

template <typename T>
__global__ void __launch_bounds__(kFinishThreads)
    batch_moments_kernel(Moments* result, const Moments* parts, const T* x, std::int64_t num_parts,
                         std::int64_t channels) {
  const std::int64_t channel = block_index() * kFinishLanes + thread_index() % kFinishLanes;
  Moments moments = merge_parts(parts, num_parts, channel, channels);
  if (thread_index() >= kFinishLanes || channel >= channels) return;
  moments.mean += to_float(x[channel]);
  result[channel] = moments;
}

// kVariance: inverse_deviation holds the variance, as running statistics do.
template <typename T, bool kAligned, bool kVariance>
__global__ void __launch_bounds__(kTileThreads)
    batch_norm_apply_kernel(T* y, const T* x, const T* residual, Channels channels, std::int64_t zeroed,
                            float epsilon, bool relu, std::int64_t ld, RowTiling tiling) {
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const RowPosition at = row_position<kWidth>(tiling);
  const std::int64_t valid =
      zeroed - at.channel;  // lanes to write; those past the channels have a factor of zero
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

__global__ void __launch_bounds__(kTileThreads)
    inverse_deviation_kernel(float* inverse_deviation, const float* variance, float epsilon,
                             std::int64_t channels) {
  const std::int64_t channel = block_index() * kTileThreads + thread_index();
  if (channel < channels) inverse_deviation[channel] = 1.0F / sqrtf(variance[channel] + epsilon);
}

template <typename T, bool kAligned>
Status launch_statistics(Moments* parts, const void* x, const RowTiling& tiling, const BatchNormShape& shape,
                         StreamHandle stream) {
  return launch("batch_norm_act", &batch_statistics_kernel<T, kAligned>,
                {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream, parts,
                static_cast<const T*>(x), shape.ld, tiling);
}

// `x`: what the means of the parts are counted from; null: 0.
template <typename T>
Status launch_finish(float* saved_mean, float* saved_inverse_deviation, const BatchNormRunning& running,
                     const Moments* parts, const T* x, std::int64_t num_parts, float epsilon,
                     const BatchNormShape& shape, StreamHandle stream) {
  return launch("batch_norm_act", &batch_statistics_finish_kernel<T>,
                {ceil_div(shape.channels, kFinishLanes), 1, 1}, kFinishThreads, 0, stream, saved_mean,
                saved_inverse_deviation, running, parts, x, num_parts, shape.channels, epsilon);
}

void check_running(Check& check, const BatchNormRunning& running) {
  check.that((running.mean == nullptr) == (running.variance == nullptr),
             "running mean and variance must both be given or both be null");
}

template <typename T, bool kAligned, bool kVariance>
Status launch_apply(void* y, const void* x, const void* residual, const Channels& channels, float epsilon,
                    bool relu, const BatchNormShape& shape, StreamHandle stream) {
  const std::int64_t written = written_channels(shape);
  const RowTiling tiling = map_tiling(shape, written, kPackWidth<T, kAligned>);
  return launch("batch_norm_act", &batch_norm_apply_kernel<T, kAligned, kVariance>,
                {tiling.row_blocks * tiling.column_blocks, 1, 1}, kTileThreads, 0, stream, static_cast<T*>(y),
                static_cast<const T*>(x), static_cast<const T*>(residual), channels, written, epsilon, relu,
                shape.ld, tiling);
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
  if (!check_batch_norm_shape(check, shape)) return check.status();
  const std::int64_t bytes = size_of(shape.type);
  check.pointer("x", x).aligned("x", x, bytes).pointer("y", y).aligned("y", y, bytes);
  check.aligned("residual", residual, bytes).pointer("saved_mean", saved_mean);
  check.pointer("saved_inverse_deviation", saved_inverse_deviation);
  check_running(check, running);
  check.that(y != x, "y must not be x: the backward pass needs x");
  check_batch_norm_workspace(check, shape, workspace, workspace_bytes);
  if (check.failed()) return check.status();
  return with_layout(shape, {x, y, residual}, [&]<typename T, bool kAligned>() -> Status {
    auto* parts = static_cast<Moments*>(workspace);
    const auto* data = static_cast<const T*>(x);
    const RowTiling tiling = sum_tiling(shape, kPackWidth<T, kAligned>);
    Status status = launch_statistics<T, kAligned>(parts, x, tiling, shape, stream);
    if (!status.ok()) return status;
    status = launch_finish(saved_mean, saved_inverse_deviation, running, parts, data, tiling.row_blocks,
                           parameters.epsilon, shape, stream);
    if (!status.ok()) return status;
    const Channels channels{parameters.scale, parameters.shift, saved_mean, saved_inverse_deviation};
    return launch_apply<T, kAligned, false>(y, x, residual, channels, parameters.epsilon, relu, shape,
                                            stream);
  });
}

Status batch_norm_moments(float* moments, const void* x, const BatchNormShape& shape, void* workspace,
                          std::int64_t workspace_bytes, StreamHandle stream) {
  Check check("batch_norm_moments");
  if (!check_batch_norm_shape(check, shape)) return check.status();
  check.pointer("x", x).aligned("x", x, size_of(shape.type)).pointer("moments", moments);
  check_batch_norm_workspace(check, shape, workspace, workspace_bytes);
  if (check.failed()) return check.status();
  return with_layout(shape, {x}, [&]<typename T, bool kAligned>() -> Status {
    auto* parts = static_cast<Moments*>(workspace);
    const RowTiling tiling = sum_tiling(shape, kPackWidth<T, kAligned>);
    const Status status = launch_statistics<T, kAligned>(parts, x, tiling, shape, stream);
    if (!status.ok()) return status;
    return launch("batch_norm_act", &batch_moments_kernel<T>, {ceil_div(shape.channels, kFinishLanes), 1, 1},
                  kFinishThreads, 0, stream, reinterpret_cast<Moments*>(moments), parts,
                  static_cast<const T*>(x), tiling.row_blocks, shape.channels);
  });
}

Status batch_norm_act_merged(void* y, float* saved_mean, float* saved_inverse_deviation,
                             const BatchNormRunning& running, const float* moments, std::int64_t parts,
                             const void* x, const void* residual, const BatchNormParameters& parameters,
                             bool relu, const BatchNormShape& shape, StreamHandle stream) {
  Check check("batch_norm_act_merged");
  if (!check_batch_norm_shape(check, shape)) return check.status();
  const std::int64_t bytes = size_of(shape.type);
  check.pointer("x", x).aligned("x", x, bytes).pointer("y", y).aligned("y", y, bytes);
  check.aligned("residual", residual, bytes).pointer("saved_mean", saved_mean);
  check.pointer("saved_inverse_deviation", saved_inverse_deviation);
  check.pointer("moments", moments).positive("parts", parts);
  check_running(check, running);
  check.that(y != x, "y must not be x: the backward pass needs x");
  if (check.failed()) return check.status();
  const Status finished = with_type(shape.type, [&]<typename T>() -> Status {
    return launch_finish<T>(saved_mean, saved_inverse_deviation, running,
                            reinterpret_cast<const Moments*>(moments), nullptr, parts, parameters.epsilon,
                            shape, stream);
  });
  if (!finished.ok()) return finished;
  return batch_norm_act_apply(y, x, residual, parameters, saved_mean, saved_inverse_deviation, relu, shape,
                              stream);
}

Status batch_norm_act_apply(void* y, const void* x, const void* residual,
                            const BatchNormParameters& parameters, const float* saved_mean,
                            const float* saved_inverse_deviation, bool relu, const BatchNormShape& shape,
                            StreamHandle stream) {
  Check check("batch_norm_act_apply");
  if (!check_batch_norm_shape(check, shape)) return check.status();
  const std::int64_t bytes = size_of(shape.type);
  check.pointer("x", x).aligned("x", x, bytes).pointer("y", y).aligned("y", y, bytes);
  check.aligned("residual", residual, bytes).pointer("saved_mean", saved_mean);
  check.pointer("saved_inverse_deviation", saved_inverse_deviation);
  if (check.failed()) return check.status();
  return with_layout(shape, {x, y, residual}, [&]<typename T, bool kAligned>() -> Status {
    const Channels channels{parameters.scale, parameters.shift, saved_mean, saved_inverse_deviation};
    return launch_apply<T, kAligned, false>(y, x, residual, channels, parameters.epsilon, relu, shape,
                                            stream);
  });
}

Status batch_norm_act_inference(void* y, const void* x, const void* residual,
                                const BatchNormParameters& parameters, const float* mean,
                                const float* variance, bool relu, const BatchNormShape& shape,
                                StreamHandle stream) {
  Check check("batch_norm_act_inference");
  if (!check_batch_norm_shape(check, shape)) return check.status();
  const std::int64_t bytes = size_of(shape.type);
  check.pointer("x", x).aligned("x", x, bytes).pointer("y", y).aligned("y", y, bytes);
  check.aligned("residual", residual, bytes).pointer("mean", mean).pointer("variance", variance);
  if (check.failed()) return check.status();
  return with_layout(shape, {x, y, residual}, [&]<typename T, bool kAligned>() -> Status {
    const Channels channels{parameters.scale, parameters.shift, mean, variance};
    return launch_apply<T, kAligned, true>(y, x, residual, channels, parameters.epsilon, relu, shape, stream);
  });
}

Status batch_norm_inverse_deviation(float* inverse_deviation, const float* variance, float epsilon,
                                    std::int64_t channels, StreamHandle stream) {
  Check check("batch_norm_inverse_deviation");
  check.size("channels", channels);
  if (channels > 0) check.pointer("inverse_deviation", inverse_deviation).pointer("variance", variance);
  if (check.failed()) return check.status();
  return launch("batch_norm_inverse_deviation", &inverse_deviation_kernel,
                {ceil_div(channels, kTileThreads), 1, 1}, kTileThreads, 0, stream, inverse_deviation,
                variance, epsilon, channels);
}

}  // namespace secateur::kernels
