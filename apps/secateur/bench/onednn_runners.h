// The same work by oneDNN's primitives, channels last, fp32, on all threads.
#pragma once

#include "secateur/bench/bench.h"
#include "secateur/bench/layers.h"

namespace secateur::bench::onednn {

// a + b, dense.
[[nodiscard]] Runner add(std::int64_t count);
// Sum of |w| over rows of a matrix; one call a layer.
[[nodiscard]] Runner filter_norms(std::span<const ConvLayer> layers);
// Batch norm with ReLU, training; the backward pass after one forward pass.
[[nodiscard]] Runner batch_norm(std::int64_t images, std::int64_t side, std::int64_t channels, bool backward);
[[nodiscard]] Runner max_pool(std::int64_t images, const PoolLayer& layer);
// Standardise with loops on all threads, one batched matrix product, mean of the magnitudes.
[[nodiscard]] Runner correlation(std::int64_t images, std::int64_t positions, std::int64_t channels);

[[nodiscard]] std::string version();

}  // namespace secateur::bench::onednn
