// What convolutions and linear layers do with their filters and biases around the library's call: padded
// copies of the fp32 masters in the compute precision, the way back for gradients, and the gradient of a
// bias.
#pragma once

#include <cstdint>
#include <string_view>

#include "backend/cuda/cuda_kernel.h"
#include "secateur/backend/conv_problem.h"

namespace secateur::cuda {

// Rows of masters [rows, columns] (dense fp32) and of filters [stored_rows, stored_columns] of another type.
struct FilterLayout {
  DType type = DType::bf16;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stored_rows = 0;
  std::int64_t stored_columns = 0;

  [[nodiscard]] std::int64_t stored_bytes() const { return stored_rows * stored_columns * size_of(type); }
};

// The filters of a convolution: rows K * R * S, columns C / groups. `weight` is the masters' shape.
[[nodiscard]] FilterLayout conv_filters(const ConvGeometry& geometry, const Shape& weight);

// Filters from masters, zeros in the rest.
void cast_filters(void* filters, const void* masters, const FilterLayout& layout, cudaStream_t stream,
                  std::string_view layer);
// Dense fp32 from filters, what lies in their padding left out.
void cast_filters_back(void* masters, const void* filters, const FilterLayout& layout, cudaStream_t stream,
                       std::string_view layer);

// y[., c] += bias[c] over the channels of a map.
void add_bias(const Tensor& y, const Tensor& bias, cudaStream_t stream, std::string_view layer);

// bias_gradient[c] = sum over samples and positions of dy[., c], as a mean of means: no float is added in an
// order that could change.
[[nodiscard]] std::int64_t bias_gradient_workspace(std::int64_t samples, std::int64_t channels);
void sum_bias_gradient(const Tensor& bias_gradient, const Tensor& dy, void* workspace, cudaStream_t stream,
                       std::string_view layer);

}  // namespace secateur::cuda
