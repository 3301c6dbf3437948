// Values of tensors on the host, by way of double: for tests, reports and whatever is read rarely.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "secateur/core/device.h"
#include "secateur/core/dtype.h"
#include "secateur/core/tensor.h"

namespace secateur {

// One element as bytes, rounded to nearest even; beyond the type's range it is infinite. Types f64, f32, f16
// (binary16), bf16 and i32; others throw Error.
void encode_element(DType type, double value, std::byte* bytes);
[[nodiscard]] double decode_element(DType type, const std::byte* bytes);
// The value of `type` that is nearest.
[[nodiscard]] double rounded_to(DType type, double value);

// The tensor's elements row by row, padding lanes left out.
[[nodiscard]] std::vector<double> read_values(const Tensor& tensor, Stream& stream);
// Writes them; padding lanes become zero. Throws Error when there are not as many values as elements.
void write_values(const Tensor& tensor, std::span<const double> values, Stream& stream);

}  // namespace secateur
