// bfloat16 as activations are stored in it: the upper half of a float. Loops read and write it like a float,
// round on the way into memory, and compute in float.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "secateur/core/dtype.h"
#include "secateur/core/error.h"

namespace secateur {
namespace cpu {

class Bf16 {
 public:
  Bf16() = default;
  // To the nearest, ties to even; a NaN stays one. Both ways implicit, so that a loop over floats is a loop
  // over these by its type alone.
  // NOLINTBEGIN(google-explicit-constructor)
  Bf16(float value) : bits_(rounded(value)) {}
  operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits_) << 16); }
  // NOLINTEND(google-explicit-constructor)
  // Of its own, for GCC 12 does not vectorise loops that store by way of a temporary.
  Bf16& operator=(float value) {
    bits_ = rounded(value);
    return *this;
  }

 private:
  static std::uint16_t rounded(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t nearest = (word + 0x7FFF + ((word >> 16) & 1)) >> 16;
    return static_cast<std::uint16_t>(value != value ? 0x7FC0 : nearest);
  }

  std::uint16_t bits_;
};
static_assert(sizeof(Bf16) == 2);

// Calls visit(T{}) with the type that maps of `type` are stored in; throws Error for another one.
template <class Visit>
auto with_map_type(DType type, Visit&& visit) {
  if (type == DType::f32) return visit(float{});
  require(type == DType::bf16, "maps are f32 or bf16 on the CPU, got {}", name_of(type));
  return visit(Bf16{});
}

}  // namespace cpu

template <>
struct DTypeOf<cpu::Bf16> {
  static constexpr DType value = DType::bf16;
};

}  // namespace secateur
