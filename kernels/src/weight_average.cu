#include "secateur/kernels/weight_average.h"

#include "device/checks.h"
#include "device/memory.cuh"
#include "secateur/kernels/launch.h"

namespace secateur::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kPacksEach = 4;

template <typename T, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    weight_average_kernel(T* averages, const T* values, std::int64_t count, const float* weight,
                          const std::int32_t* skip) {
  if (skip != nullptr && *skip != 0) return;
  constexpr int kWidth = kPackWidth<T, kAligned>;
  const float step = *weight;
  const std::int64_t first = block_index() * kThreads * kWidth * kPacksEach;
#pragma unroll
  for (int pack = 0; pack < kPacksEach; ++pack) {
    const std::int64_t begin = first + (pack * kThreads + thread_index()) * kWidth;
    const std::int64_t left = count - begin;
    if (left <= 0) break;
    float average[kWidth];
    float value[kWidth];
    load_pack<T, kWidth>(averages + begin, left, average);
    load_pack<T, kWidth>(values + begin, left, value);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) average[i] = fmaf(step, value[i] - average[i], average[i]);
    store_pack<T, kWidth>(averages + begin, left, average);
  }
}

}  // namespace

Status weight_average(float* averages, const float* values, std::int64_t count, const float* weight,
                      const std::int32_t* skip, StreamHandle stream) {
  Check check("weight_average");
  check.size("count", count);
  if (count > 0) check.pointer("averages", averages).pointer("values", values).pointer("weight", weight);
  check.aligned("averages", averages, 4).aligned("values", values, 4);
  if (check.failed()) return check.status();
  if (count == 0) return Status::success();
  const bool aligned = is_aligned16(averages) && is_aligned16(values);
  const std::int64_t width = aligned ? kPackWidth<float, true> : kPackWidth<float, false>;
  const auto kernel = aligned ? &weight_average_kernel<float, true> : &weight_average_kernel<float, false>;
  return launch("weight_average", kernel, {ceil_div(count, kThreads * kPacksEach * width), 1, 1}, kThreads, 0,
                stream, averages, values, count, weight, skip);
}

}  // namespace secateur::kernels
