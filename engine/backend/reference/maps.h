// Access to activations by index, and the registration that all reference kernels share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "secateur/backend/kernel.h"
#include "secateur/core/error.h"
#include "secateur/core/tensor.h"

namespace secateur::reference {

// Channels of position (h, w) of image n of a [N, H, W, C] tensor.
[[nodiscard]] inline double* pixel(const Tensor& map, std::int64_t n, std::int64_t h, std::int64_t w) {
  return static_cast<double*>(map.data) + ((n * map.shape[1] + h) * map.shape[2] + w) * map.leading;
}

// Channels of row r, rows counted over images and positions.
[[nodiscard]] inline double* row_of(const Tensor& map, std::int64_t r) {
  return static_cast<double*>(map.data) + r * map.leading;
}

// Everything to zero, padding lanes included.
inline void clear(const Tensor& map) { std::fill_n(map.as<double>(), map.rows() * map.leading, 0.0); }

// Sets each channel of `output` to value(row, channel), and the padding lanes to zero.
template <class Value>
void fill_rows(const Tensor& output, Value&& value) {
  const std::int64_t channels = output.channels();
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < output.rows(); ++r) {
    double* out = row_of(output, r);
    for (std::int64_t c = 0; c < channels; ++c) out[c] = value(r, c);
    std::fill(out + channels, out + output.leading, 0.0);
  }
}

inline void copy_map(const Tensor& from, const Tensor& to) {
  fill_rows(to, [&](std::int64_t r, std::int64_t c) { return row_of(from, r)[c]; });
}

// The reason why a setup is none for these kernels. Inputs from `first_other` on may be of any type.
[[nodiscard]] inline std::optional<std::string> unless_float64(const KernelSetup& setup,
                                                               std::size_t first_other) {
  if (setup.precision != Precision::fp64) {
    return fmt::format("the reference computes in fp64, {} was asked for", name_of(setup.precision));
  }
  const auto check = [](const Tensor& tensor) { return tensor.dtype == DType::f64; };
  const auto inputs = setup.inputs.first(std::min(first_other, setup.inputs.size()));
  if (!std::ranges::all_of(inputs, check) || !check(setup.output)) return "activations must be f64";
  if (!std::ranges::all_of(setup.parameters, check)) return "parameters must be f64";
  if (!std::ranges::all_of(setup.parameters, &Tensor::dense)) return "parameters must be dense";
  return std::nullopt;
}

template <class KernelType>
void register_float64_kernel(std::string_view op, std::size_t first_other = ~std::size_t{0}) {
  register_kernel(
      op, DeviceKind::reference,
      {.make = [](const KernelSetup& setup) { return std::make_unique<KernelType>(setup); },
       .unsupported =
           [first_other](const KernelSetup& setup) { return unless_float64(setup, first_other); }});
}

}  // namespace secateur::reference
