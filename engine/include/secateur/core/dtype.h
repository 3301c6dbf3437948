// Element types of tensors.
#pragma once

#include <cstdint>
#include <string_view>

namespace secateur {

enum class DType : std::uint8_t { f32, f64, f16, bf16, u8, i32, i64 };

// Bytes of one element.
[[nodiscard]] std::int64_t size_of(DType type);

// "f32", "bf16", ...
[[nodiscard]] std::string_view name_of(DType type);

// Inverse of name_of; throws Error for an unknown name.
[[nodiscard]] DType dtype_from_name(std::string_view name);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::i64;
};

}  // namespace secateur
