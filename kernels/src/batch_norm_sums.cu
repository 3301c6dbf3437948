#include "secateur/kernels/batch_norm_sums.h"

#include "device/checks.h"
#include "device/numeric.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr int kThreads = 128;

struct Finished {  // BatchNormFinished with its types
  float* mean;
  float* inverse_deviation;
  float* scale;
  float* shift;
  Half* factor;
  Half* offset;
};

__device__ __forceinline__ void write(const Finished& finished, std::int64_t channel, float mean,
                                      float inverse_deviation, float scale, float shift) {
  finished.mean[channel] = mean;
  finished.inverse_deviation[channel] = inverse_deviation;
  if (finished.scale == nullptr) return;
  const float factor = scale * inverse_deviation;
  finished.scale[channel] = scale;
  finished.shift[channel] = shift;
  finished.factor[channel] = from_float<Half>(factor);
  finished.offset[channel] = from_float<Half>(fmaf(-mean, factor, shift));
}

// In fp64, which costs nothing here: the difference below loses no more than the sums have lost.
__global__ void __launch_bounds__(kThreads)
    batch_norm_finish_sums_kernel(Finished finished, BatchNormRunning running, BatchNormSums sums,
                                  double rows, BatchNormParameters parameters, std::int64_t channels,
                                  std::int64_t stored_channels) {
  const std::int64_t channel = block_index() * kThreads + thread_index();
  if (channel >= stored_channels) return;
  if (channel >= channels) {
    write(finished, channel, 0.0F, 0.0F, 0.0F, 0.0F);
    return;
  }
  const double exact_mean = sums.sum[channel] / rows;
  const double difference = sums.sum_of_squares[channel] / rows - exact_mean * exact_mean;
  const double exact_variance = difference < 0.0 ? 0.0 : difference;  // passes NaN on
  const auto mean = static_cast<float>(exact_mean);
  const auto variance = static_cast<float>(exact_variance);
  write(finished, channel, mean, 1.0F / sqrtf(variance + parameters.epsilon),
        parameters.scale != nullptr ? parameters.scale[channel] : 1.0F,
        parameters.shift != nullptr ? parameters.shift[channel] : 0.0F);
  if (running.mean == nullptr) return;
  const auto unbiased = rows > 1.0 ? static_cast<float>(exact_variance * rows / (rows - 1.0)) : variance;
  running.mean[channel] += running.momentum * (mean - running.mean[channel]);
  running.variance[channel] += running.momentum * (unbiased - running.variance[channel]);
}

}  // namespace

Status batch_norm_finish_sums(const BatchNormFinished& finished, const BatchNormRunning& running,
                              const BatchNormSums& sums, std::int64_t rows,
                              const BatchNormParameters& parameters, std::int64_t channels,
                              std::int64_t stored_channels, StreamHandle stream) {
  Check check("batch_norm_finish_sums");
  check.positive("rows", rows).size("channels", channels);
  check.that(stored_channels >= channels, std::to_string(stored_channels) +
                                              " stored channels are less than " + std::to_string(channels) +
                                              " channels");
  if (channels > 0) {
    check.pointer("mean", finished.mean).pointer("inverse_deviation", finished.inverse_deviation);
    check.pointer("sum", sums.sum).pointer("sum_of_squares", sums.sum_of_squares);
  }
  const bool none = finished.scale == nullptr && finished.shift == nullptr && finished.factor == nullptr &&
                    finished.offset == nullptr;
  const bool all = finished.scale != nullptr && finished.shift != nullptr && finished.factor != nullptr &&
                   finished.offset != nullptr;
  check.that(none || all, "scale, shift, factor and offset must all be given or all be null");
  check.aligned("factor", finished.factor, 2).aligned("offset", finished.offset, 2);
  check.that((running.mean == nullptr) == (running.variance == nullptr),
             "running mean and variance must both be given or both be null");
  if (check.failed() || channels == 0) return check.status();
  const Finished typed{
      finished.mean,  finished.inverse_deviation,          finished.scale,
      finished.shift, static_cast<Half*>(finished.factor), static_cast<Half*>(finished.offset)};
  return launch("batch_norm_finish_sums", &batch_norm_finish_sums_kernel,
                {ceil_div(stored_channels, kThreads), 1, 1}, kThreads, 0, stream, typed, running, sums,
                static_cast<double>(rows), parameters, channels, stored_channels);
}

}  // namespace secateur::kernels
