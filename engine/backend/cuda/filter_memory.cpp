#include "backend/cuda/filter_memory.h"

#include "secateur/kernels/channel_moments.h"

namespace secateur::cuda {

FilterLayout conv_filters(const ConvGeometry& geometry, const Shape& weight) {
  const ConvProblem& problem = geometry.problem;
  const std::int64_t columns = problem.input.channels / problem.groups;
  return {storage_type(problem.precision), weight[0] * weight[1] * weight[2], weight[3],
          problem.filter_elements() / columns, columns};
}

void cast_filters(void* filters, const void* masters, const FilterLayout& layout, cudaStream_t stream,
                  std::string_view layer) {
  const kernels::DType type = kernel_type(layout.type);
  check(kernels::cast(filters, masters,
                      {type, kernels::DType::f32, layout.rows, layout.columns, layout.stored_columns,
                       layout.columns, layout.stored_columns},
                      stream),
        layer);
  const std::int64_t written = layout.rows * layout.stored_columns;
  const std::int64_t rest = layout.stored_rows * layout.stored_columns - written;
  if (rest == 0) return;
  check(kernels::fill(static_cast<std::byte*>(filters) + written * size_of(layout.type), 0,
                      {type, 1, rest, rest}, stream),
        layer);
}

void cast_filters_back(void* masters, const void* filters, const FilterLayout& layout, cudaStream_t stream,
                       std::string_view layer) {
  check(kernels::cast(masters, filters,
                      {kernels::DType::f32, kernel_type(layout.type), layout.rows, layout.columns,
                       layout.columns, layout.stored_columns, 0},
                      stream),
        layer);
}

void add_bias(const Tensor& y, const Tensor& bias, cudaStream_t stream, std::string_view layer) {
  check(kernels::shift_channels(y.data, y.data, bias.as<float>(), channels_of(y), stream), layer);
}

std::int64_t bias_gradient_workspace(std::int64_t samples, std::int64_t channels) {
  return (samples + 1) * channels * size_of(DType::f32);
}

void sum_bias_gradient(const Tensor& bias_gradient, const Tensor& dy, void* workspace, cudaStream_t stream,
                       std::string_view layer) {
  const std::int64_t samples = dy.shape[0];
  const std::int64_t positions = dy.shape[1] * dy.shape[2];
  const std::int64_t channels = dy.channels();
  auto* means = static_cast<float*>(workspace);
  float* total = means + samples * channels;
  check(kernels::channel_moments({.mean = means}, dy.data,
                                 {kernel_type(dy.dtype), samples, positions, channels, dy.leading}, stream),
        layer);
  check(kernels::channel_moments({.mean = total}, means,
                                 {kernels::DType::f32, 1, samples, channels, channels}, stream),
        layer);
  check(kernels::scale(bias_gradient.as<float>(), total, static_cast<float>(samples * positions),
                       {kernels::DType::f32, 1, channels, channels}, stream),
        layer);
}

}  // namespace secateur::cuda
