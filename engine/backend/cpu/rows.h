// Loops over the rows of tensors that may have different leading dimensions.
//
// A map with few channels makes short inner loops. Where all tensors share one leading dimension their memory
// is one block, so several rows are taken together as one long row of `lanes` values, lane l belonging to
// channel l mod `period`; padding lanes then take part as channels of their own (they hold zeros and must
// stay zero).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "backend/cpu/bf16.h"
#include "secateur/backend/kernel.h"
#include "secateur/backend/open_device.h"
#include "secateur/core/error.h"
#include "secateur/core/tensor.h"

namespace secateur::cpu {

struct RowLoop {
  std::int64_t rows = 0;   // long rows, the last of which may be short
  std::int64_t lanes = 0;  // of every long row but a short last one
  std::int64_t last = 0;   // lanes of the last long row
  std::int64_t period =
      0;  // lanes a channel's values are apart: the shared leading dimension, or the channel count
  std::int64_t merged = 1;  // tensor rows in a long row
  bool shared = false;      // one leading dimension: padding lanes are written with the others

  [[nodiscard]] std::int64_t lanes_of(std::int64_t row) const { return row + 1 < rows ? lanes : last; }
  // Elements from one long row of `tensor` to the next.
  [[nodiscard]] std::int64_t stride(const Tensor& tensor) const { return merged * tensor.leading; }
};

// Tensors without channels (an empty shape) are passed over: they stand for operands that this call does not
// have. Long rows hold at least `wanted` lanes where rows can be merged.
[[nodiscard]] inline RowLoop row_loop(std::span<const Tensor> tensors, std::int64_t wanted) {
  const Tensor& model = tensors[0];
  bool shared = true;
  for (const Tensor& tensor : tensors) {
    if (tensor.shape.rank() > 0) shared = shared && tensor.leading == model.leading;
  }
  RowLoop loop;
  loop.shared = shared;
  const std::int64_t rows = model.rows();
  loop.period = shared ? model.leading : model.channels();
  if (shared && loop.period > 0) {
    // A multiple of eight lanes, the width of a vector register, whatever the channel count.
    constexpr std::int64_t kVector = 8;
    const std::int64_t step = kVector / std::gcd(kVector, loop.period);
    const std::int64_t enough = (wanted + loop.period - 1) / loop.period;
    if (loop.period < wanted)
      loop.merged = std::min((enough + step - 1) / step * step, std::max<std::int64_t>(rows, 1));
  }
  loop.rows = (rows + loop.merged - 1) / loop.merged;
  loop.lanes = loop.merged * loop.period;
  loop.last = (rows - (loop.rows - 1) * loop.merged) * loop.period;
  return loop;
}

// Lanes wanted of a long row by loops that keep nothing for a lane: enough to hide the loop's overhead, few
// enough to give every thread some.
inline constexpr std::int64_t kLongRow = 4096;

// Most lanes that row_loop can give for a leading dimension of at most `leading`.
[[nodiscard]] constexpr std::int64_t most_lanes(std::int64_t leading, std::int64_t wanted) {
  return wanted + 9 * leading;
}

// Sets the padding lanes of `tensor` to zero.
template <class T>
void zero_padding(const Tensor& tensor) {
  if (tensor.dense()) return;
  auto* data = tensor.as<T>();
  const std::int64_t channels = tensor.channels();
  for (std::int64_t row = 0; row < tensor.rows(); ++row) {
    std::fill(data + row * tensor.leading + channels, data + (row + 1) * tensor.leading, T{});
  }
}

// Copies the channels of every row; the padding lanes of `destination` become zero.
template <class T>
void copy_rows(const T* source, std::int64_t source_leading, T* destination, std::int64_t destination_leading,
               std::int64_t rows, std::int64_t channels) {
#pragma omp parallel for schedule(static) if (rows * channels > 16384)
  for (std::int64_t row = 0; row < rows; ++row) {
    T* out = destination + row * destination_leading;
    std::copy_n(source + row * source_leading, channels, out);
    std::fill(out + channels, out + destination_leading, T{});
  }
}

template <class T>
void copy_tensor(const Tensor& source, const Tensor& destination) {
  copy_rows(source.as<T>(), source.leading, destination.as<T>(), destination.leading, source.rows(),
            source.channels());
}

// output = first + second; padding lanes are zeros in all of them.
template <class T>
void add_tensors(const Tensor& first, const Tensor& second, const Tensor& output) {
  const RowLoop loop = row_loop(std::array{output, first, second}, kLongRow);
  const auto* a = first.as<T>();
  const auto* b = second.as<T>();
  auto* y = output.as<T>();
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < loop.rows; ++row) {
    const T* left = a + row * loop.stride(first);
    const T* right = b + row * loop.stride(second);
    T* out = y + row * loop.stride(output);
    const std::int64_t lanes = loop.lanes_of(row);
#pragma omp simd
    for (std::int64_t l = 0; l < lanes; ++l) out[l] = left[l] + right[l];
  }
  if (!loop.shared) zero_padding<T>(output);
}

// What register_map_kernel has to know of an op's tensors.
struct MapOperands {
  std::size_t first_other = ~std::size_t{0};  // inputs from here on are of types of their own
  bool float_output = false;                  // whatever the maps are
};

// The reason why a setup is none for these kernels: another precision than fp32 and bf16, or tensors of
// another type.
[[nodiscard]] inline std::optional<std::string> unless_host_maps(const KernelSetup& setup,
                                                                 const MapOperands& operands) {
  if (setup.precision != Precision::fp32 && setup.precision != Precision::bf16) {
    return why_no_precision(DeviceKind::cpu, setup.precision);
  }
  const DType maps = storage_type(setup.precision);
  const auto inputs = setup.inputs.first(std::min(operands.first_other, setup.inputs.size()));
  if (!std::ranges::all_of(inputs, [&](const Tensor& input) { return input.dtype == maps; }) ||
      setup.output.dtype != (operands.float_output ? DType::f32 : maps)) {
    return fmt::format("activations must be {}", name_of(maps));
  }
  if (!std::ranges::all_of(setup.parameters, [](const Tensor& p) { return p.dtype == DType::f32; })) {
    return "parameters must be f32";
  }
  return std::nullopt;
}

// Registers KernelType<float> for fp32 and KernelType<Bf16> for bf16.
template <template <class> class KernelType>
void register_map_kernel(std::string_view op, const MapOperands& operands = {}) {
  register_kernel(
      op, DeviceKind::cpu,
      {.make = [](const KernelSetup& setup) -> std::unique_ptr<Kernel> {
         if (setup.precision == Precision::bf16) return std::make_unique<KernelType<Bf16>>(setup);
         return std::make_unique<KernelType<float>>(setup);
       },
       .unsupported = [operands](const KernelSetup& setup) { return unless_host_maps(setup, operands); }});
}

}  // namespace secateur::cpu
