#include "secateur/kernels/softmax_cross_entropy.h"

#include "device/checks.h"
#include "device/memory.cuh"
#include "device/reduce.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr int kRowsPerBlock = 4;  // one warp each
constexpr int kSumThreads = 256;

// Sum of exp(z - maximum) as it is gathered, with the maximum so far (Milakov and Gimelshein 2018).
struct Exponentials {
  float maximum;
  float sum;
};
struct MergeExponentials {
  __device__ __forceinline__ Exponentials operator()(const Exponentials& a, const Exponentials& b) const {
    const float maximum = MaxOrNan{}(a.maximum, b.maximum);
    if (maximum == -INFINITY) return {maximum, 0.0F};
    return {maximum, a.sum * expf(a.maximum - maximum) + b.sum * expf(b.maximum - maximum)};
  }
};

struct Arguments {
  float* losses;
  LossMetrics* metrics;
  const std::int32_t* labels;
  const float* soft_targets;
  LossOptions options;
  std::int64_t samples;
  std::int64_t classes;
  std::int64_t ld;
};

__device__ __forceinline__ Exponentials merged_by_warp(Exponentials exponentials) {
#pragma unroll
  for (unsigned distance = kWarpSize / 2; distance > 0; distance /= 2) {
    const Exponentials other{__shfl_xor_sync(kFullWarp, exponentials.maximum, distance),
                             __shfl_xor_sync(kFullWarp, exponentials.sum, distance)};
    exponentials = MergeExponentials{}(exponentials, other);
  }
  return exponentials;
}

// A row of the student's and one of the teacher's logits, both softened by the temperature.
template <typename T>
struct SoftenedRows {
  const T* own = nullptr;
  const T* taught = nullptr;
  float inverse = 1.0F;  // of the temperature
  Exponentials own_sum{-INFINITY, 0.0F};
  Exponentials taught_sum{-INFINITY, 0.0F};

  __device__ __forceinline__ void gather(const T* own_row, const T* taught_row, std::int64_t classes,
                                         float temperature) {
    own = own_row;
    taught = taught_row;
    inverse = 1.0F / temperature;
    for (std::int64_t k = lane_index(); k < classes; k += kWarpSize) {
      own_sum = MergeExponentials{}(own_sum, {to_float(own[k]) * inverse, 1.0F});
      taught_sum = MergeExponentials{}(taught_sum, {to_float(taught[k]) * inverse, 1.0F});
    }
    own_sum = merged_by_warp(own_sum);
    taught_sum = merged_by_warp(taught_sum);
  }
  // Logits enter as differences from the largest.
  __device__ __forceinline__ float own_level(std::int64_t k) const {
    return to_float(own[k]) * inverse - own_sum.maximum;
  }
  __device__ __forceinline__ float taught_level(std::int64_t k) const {
    return to_float(taught[k]) * inverse - taught_sum.maximum;
  }
  __device__ __forceinline__ float own_probability(std::int64_t k) const {
    return expf(own_level(k)) / own_sum.sum;
  }
  __device__ __forceinline__ float taught_probability(std::int64_t k) const {
    return expf(taught_level(k)) / taught_sum.sum;
  }
  // Kullback-Leibler divergence of the row's own probabilities from the teacher's.
  __device__ __forceinline__ float divergence(std::int64_t classes) const {
    float sum = 0.0F;
    for (std::int64_t k = lane_index(); k < classes; k += kWarpSize) {
      const float t = taught_probability(k);
      if (t != 0.0F) sum += t * (taught_level(k) - own_level(k));
    }
    return warp_reduce(sum, Sum{}) + logf(own_sum.sum) - logf(taught_sum.sum);
  }
};

// Instances with a teacher and without: the second is what most launches are.
struct Untaught {};
struct Taught {};

template <typename T, typename Lesson>
__global__ void __launch_bounds__(kRowsPerBlock* kWarpSize)
    softmax_cross_entropy_kernel(Arguments args, T* gradient, const T* logits) {
  constexpr bool kTaught = std::is_same_v<Lesson, Taught>;
  const std::int64_t sample = block_index() * kRowsPerBlock + warp_index();
  if (sample >= args.samples) return;  // the whole warp leaves; no block barrier follows
  const T* row = logits + sample * args.ld;
  const float* soft = args.soft_targets != nullptr ? args.soft_targets + sample * args.classes : nullptr;
  const std::int64_t label = args.labels != nullptr ? args.labels[sample] : 0;
  const bool ignored = label < 0;
  const bool has_rank = args.labels != nullptr && label >= 0 && label < args.classes;
  const float own = has_rank ? to_float(row[label]) : 0.0F;
  // Logits enter the loss as differences from this one, so that large ones cost it no digits.
  const float origin = has_rank && is_finite(own) ? own : 0.0F;
  const float floor = args.options.label_smoothing / static_cast<float>(args.classes);

  // First pass: the maximum, the exponentials, sum of q and of q * (z - origin), and the rank of the label.
  Exponentials exponentials{-INFINITY, 0.0F};
  float targets = 0.0F;
  float weighted = 0.0F;
  int rank = 0;
#pragma unroll 4
  for (std::int64_t k = lane_index(); k < args.classes; k += kWarpSize) {
    const float z = to_float(row[k]);
    exponentials = MergeExponentials{}(exponentials, {z, 1.0F});
    const float q = soft != nullptr ? soft[k] : floor;
    targets += q;
    if (q != 0.0F) weighted += q * (z - origin);
    rank += has_rank && k != label && z >= own ? 1 : 0;
  }
  exponentials = merged_by_warp(exponentials);
  targets = warp_reduce(targets, Sum{});
  weighted = warp_reduce(weighted, Sum{});
  rank = warp_reduce(rank, Sum{});
  const float hit = 1.0F - args.options.label_smoothing;
  if (soft == nullptr) {
    targets = 1.0F;
    if (hit != 0.0F) weighted += hit * (own - origin);
  }
  float loss = targets * (logf(exponentials.sum) + (exponentials.maximum - origin)) - weighted;
  const Teacher& teacher = args.options.teacher;
  SoftenedRows<T> softened;
  if constexpr (kTaught) {
    softened.gather(row, static_cast<const T*>(teacher.logits) + sample * teacher.ld, args.classes,
                    teacher.temperature);
    loss = (1.0F - teacher.weight) * loss +
           teacher.weight * teacher.temperature * teacher.temperature * softened.divergence(args.classes);
  }
  const bool bad_label = soft == nullptr && !has_rank;
  if (bad_label) loss = not_a_number();
  if (ignored) loss = 0.0F;

  if (lane_index() == 0) {
    if (args.losses != nullptr) args.losses[sample] = loss;
    if (args.metrics != nullptr && !ignored) {
      auto* counts = reinterpret_cast<unsigned long long*>(&args.metrics->samples);
      const bool right = has_rank && !is_nan(loss);
      atomicAdd(counts, 1ULL);
      if (right && rank < 1) atomicAdd(counts + 1, 1ULL);
      if (right && rank < 5) atomicAdd(counts + 2, 1ULL);
    }
  }
  if (gradient == nullptr) return;
  // In place is allowed: a lane overwrites only what it alone reads from here on.
  float scale = args.options.host_scale;
  if (args.options.device_scale != nullptr) scale *= *args.options.device_scale;
  if (args.options.sample_scales != nullptr) {
    scale *= args.options.sample_scales[sample * args.options.sample_stride];
  }
  T* out = gradient + sample * args.ld;
  __syncwarp();
#pragma unroll 4
  for (std::int64_t k = lane_index(); k < args.classes; k += kWarpSize) {
    const float p = expf(to_float(row[k]) - exponentials.maximum) / exponentials.sum;
    float q = soft != nullptr ? soft[k] : floor;
    if (soft == nullptr && k == label) q += hit;
    float value = scale * (p * targets - q);
    if constexpr (kTaught) {
      value = (1.0F - teacher.weight) * value +
              scale * teacher.weight * teacher.temperature *
                  (softened.own_probability(k) - softened.taught_probability(k));
    }
    if (bad_label) value = not_a_number();
    if (ignored) value = 0.0F;
    out[k] = from_float<T>(value);
  }
}

// Adds the losses of one call to the running sum: one block, fp64, in a fixed order.
__global__ void __launch_bounds__(kSumThreads)
    loss_sum_kernel(LossMetrics* metrics, const float* losses, std::int64_t samples) {
  double sum = 0.0;
#pragma unroll 4
  for (std::int64_t i = thread_index(); i < samples; i += kSumThreads) sum += losses[i];
  sum = block_reduce<kSumThreads>(sum, Sum{}, 0.0);
  if (thread_index() == 0) metrics->loss_sum += sum;
}

}  // namespace

Status softmax_cross_entropy(float* losses, void* gradient, LossMetrics* metrics, const void* logits,
                             const std::int32_t* labels, const float* soft_targets,
                             const LossOptions& options, const LogitsShape& shape, StreamHandle stream) {
  Check check("softmax_cross_entropy");
  check.type(shape.type).size("samples", shape.samples).positive("classes", shape.classes);
  check.that(shape.classes <= INT32_MAX, "more classes than labels can name");
  if (check.failed()) return check.status();
  check.map("logits", logits, size_of(shape.type), shape.samples, shape.classes, shape.ld);
  check.aligned("gradient", gradient, size_of(shape.type));
  check.that(options.label_smoothing >= 0.0F && options.label_smoothing <= 1.0F,
             "label_smoothing is not in 0 .. 1");
  check.positive("sample_stride", options.sample_stride);
  check.that(shape.samples == 0 || labels != nullptr || soft_targets != nullptr,
             "neither labels nor soft_targets are given");
  check.that(metrics == nullptr || losses != nullptr || shape.samples == 0, "metrics need the losses");
  const Teacher& teacher = options.teacher;
  if (teacher.logits != nullptr) {
    check.map("teacher", teacher.logits, size_of(shape.type), shape.samples, shape.classes, teacher.ld);
    check.that(teacher.weight >= 0.0F && teacher.weight <= 1.0F, "the teacher's weight is not in 0 .. 1");
    check.that(teacher.temperature > 0.0F, "the temperature is not positive");
  }
  if (check.failed()) return check.status();
  if (shape.samples == 0) return Status::success();
  const Arguments args{losses,  metrics,       labels,        soft_targets,
                       options, shape.samples, shape.classes, shape.ld};
  Status status = with_type(shape.type, [&]<typename T>() -> Status {
    const auto kernel = teacher.logits != nullptr ? &softmax_cross_entropy_kernel<T, Taught>
                                                  : &softmax_cross_entropy_kernel<T, Untaught>;
    return launch("softmax_cross_entropy", kernel, {ceil_div(shape.samples, kRowsPerBlock), 1, 1},
                  kRowsPerBlock * kWarpSize, 0, stream, args, static_cast<T*>(gradient),
                  static_cast<const T*>(logits));
  });
  if (!status.ok() || metrics == nullptr) return status;
  return launch("softmax_cross_entropy", &loss_sum_kernel, {1, 1, 1}, kSumThreads, 0, stream, metrics, losses,
                shape.samples);
}

}  // namespace secateur::kernels
