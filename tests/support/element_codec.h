// Element types of tensors as bytes of a host buffer, by way of double.
#pragma once

#include <cstddef>
#include <vector>

#include "secateur/core/dtype.h"

namespace secateur::test {

// One value, rounded to nearest even.
void encode(DType type, double value, std::byte* bytes);
[[nodiscard]] double decode(DType type, const std::byte* bytes);
// The value of `type` that is nearest.
[[nodiscard]] double rounded(DType type, double value);

}  // namespace secateur::test
