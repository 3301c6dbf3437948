#include "secateur/bench/host_array.h"

#include <cmath>
#include <cstdlib>
#include <new>

namespace secateur::bench {
namespace {

constexpr std::size_t kAlignment = 256;

template <class T>
double magnitudes(const T* values, std::int64_t count) {
  double sum = 0;
#pragma omp parallel for simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += std::abs(static_cast<double>(values[i]));
  return sum;
}

}  // namespace

HostArray::HostArray(std::int64_t count, std::uint32_t seed) : count_(count) {
  const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(float) / kAlignment + 1) * kAlignment;
  values_.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
  if (!values_) throw std::bad_alloc();
  float* out = values_.get();
  // A hash of the index (the finaliser of MurmurHash3): as good as any for values nobody looks at, and quick
  // enough for gigabytes. Parallel, so that pages lie near the threads that read them.
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t h = static_cast<std::uint32_t>(i) + seed * 0x9E3779B9U;
    h = (h ^ (h >> 16)) * 0x85EBCA6BU;
    h = (h ^ (h >> 13)) * 0xC2B2AE35U;
    h ^= h >> 16;
    out[i] = static_cast<float>(h >> 8) * 0x1p-23F - 1.0F;
  }
}

void HostArray::Free::operator()(float* memory) const { std::free(memory); }

double digest(const float* values, std::int64_t count) { return magnitudes(values, count); }
double digest(const double* values, std::int64_t count) { return magnitudes(values, count); }

}  // namespace secateur::bench
