// Ranks the filters of a layer by their L1 norm, on weights that a kernel of this program made. Where there
// is no GPU it checks only that a bad argument is refused with a message.
#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "secateur/kernels/filter_norm.h"

namespace {

constexpr std::int64_t kFilters = 6;
constexpr std::int64_t kFilterSize = 3 * 3 * 5;

// Filter f holds f + 1 everywhere, with alternating signs: its norm per weight is f + 1.
__global__ void make_weights(float* weights) {
  const int i = static_cast<int>(threadIdx.x);
  const int filter = i / kFilterSize;
  if (filter < kFilters) weights[i] = static_cast<float>((filter + 1) * (i % 2 == 0 ? 1 : -1));
}

bool refuses_bad_arguments() {
  using namespace secateur::kernels;
  FilterNormSegment segment;
  segment.num_filters = -1;
  const Status status = filter_norm(&segment, 1, DType::f32, NormKind::l1, true, nullptr);
  std::printf("a negative number of filters: %s\n", status.message.c_str());
  return status.code == StatusCode::invalid_argument && !status.message.empty();
}

bool ranks_filters() {
  using namespace secateur::kernels;
  float* weights = nullptr;
  double* norms = nullptr;
  cudaStream_t stream = nullptr;
  if (cudaStreamCreate(&stream) != cudaSuccess) return false;
  if (cudaMalloc(&weights, kFilters * kFilterSize * sizeof(float)) != cudaSuccess) return false;
  if (cudaMalloc(&norms, kFilters * sizeof(double)) != cudaSuccess) return false;
  make_weights<<<1, 512, 0, stream>>>(weights);
  const FilterNormSegment segment{norms, weights, kFilters, kFilterSize};
  const Status status = filter_norm(&segment, 1, DType::f32, NormKind::l1, /*per_weight=*/true, stream);
  std::vector<double> host(kFilters);
  if (!status.ok() ||
      cudaMemcpyAsync(host.data(), norms, kFilters * sizeof(double), cudaMemcpyDeviceToHost, stream) !=
          cudaSuccess ||
      cudaStreamSynchronize(stream) != cudaSuccess) {
    std::printf("failed: %s\n", status.message.c_str());
    return false;
  }
  bool right = true;
  for (std::int64_t f = 0; f < kFilters; ++f) right = right && std::abs(host[f] - (f + 1.0)) < 1e-6;
  cudaFree(norms);
  cudaFree(weights);
  cudaStreamDestroy(stream);
  return right;
}

}  // namespace

int main() {
  if (!refuses_bad_arguments()) return 1;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("no GPU: nothing was computed\n");
    return 0;
  }
  if (!ranks_filters()) return 1;
  std::printf("norms are right\n");
  return 0;
}
