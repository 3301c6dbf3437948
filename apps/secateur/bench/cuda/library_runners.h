// The same work by cuDNN and cuBLASLt, to stand beside the kernels. Throws Error with the library's own
// words.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "secateur/bench/bench.h"
#include "secateur/bench/layers.h"
#include "secateur/kernels/types.h"

namespace secateur::bench::library {

// Where every case of one type runs.
struct Place {
  kernels::DType type;
  cudaStream_t stream;
};

[[nodiscard]] std::string versions();

// Batch norm in training, by cuDNN's spatial mode, without the ReLU that the kernel has too; backward without
// the ReLU's gradient.
[[nodiscard]] Runner batch_norm(const Place& place, std::int64_t images, std::int64_t positions,
                                std::int64_t channels, bool backward);
// cudnnOpTensor.
[[nodiscard]] Runner add(const Place& place, std::int64_t count);
// cudnnSoftmaxForward alone: the loss, its gradient and the counts are work that it does not do.
[[nodiscard]] Runner softmax(const Place& place, std::int64_t samples, std::int64_t classes);
// cudnnPoolingForward.
[[nodiscard]] Runner max_pool(const Place& place, std::int64_t images, const PoolLayer& layer);
// The products z^T z of standardised maps, an image each, as one batched product of cuBLASLt: neither the
// standardisation before it nor the mean of magnitudes behind it.
[[nodiscard]] Runner correlation(const Place& place, std::int64_t images, std::int64_t positions,
                                 std::int64_t channels);

}  // namespace secateur::bench::library
