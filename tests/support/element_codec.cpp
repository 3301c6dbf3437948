#include "support/element_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "secateur/core/error.h"

namespace secateur::test {
namespace {

template <class T>
void store(T value, std::byte* bytes) {
  std::memcpy(bytes, &value, sizeof(T));
}
template <class T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// Binary16: 10 bits of fraction, exponents -14 to 15; below that, multiples of 2^-24.
std::uint16_t half_bits(double value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::abs(value);
  if (std::isnan(value)) return 0x7E00;
  if (size >= 65520) return static_cast<std::uint16_t>(sign | 0x7C00);
  if (size == 0) return sign;
  const int exponent = std::max(std::ilogb(size), -14);
  // A fraction that rounds up to 2048 carries into the exponent by itself.
  const auto fraction = static_cast<int>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  return static_cast<std::uint16_t>(sign | ((exponent + 14) * 1024 + fraction));
}

double half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  double size = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  if (exponent == 31) size = fraction == 0 ? HUGE_VAL : std::nan("");
  return (bits & 0x8000) != 0 ? -size : size;
}

std::uint16_t bfloat_bits(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  if (std::isnan(value)) return 0x7FC0;
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

}  // namespace

void encode(DType type, double value, std::byte* bytes) {
  switch (type) {
    case DType::f64:
      return store(value, bytes);
    case DType::f32:
      return store(static_cast<float>(value), bytes);
    case DType::f16:
      return store(half_bits(value), bytes);
    case DType::bf16:
      return store(bfloat_bits(value), bytes);
    case DType::i32:
      return store(static_cast<std::int32_t>(value), bytes);
    case DType::u8:
    case DType::i64:
      break;
  }
  fail("no test data of type {}", name_of(type));
}

double decode(DType type, const std::byte* bytes) {
  switch (type) {
    case DType::f64:
      return load<double>(bytes);
    case DType::f32:
      return load<float>(bytes);
    case DType::f16:
      return half_value(load<std::uint16_t>(bytes));
    case DType::bf16:
      return std::bit_cast<float>(static_cast<std::uint32_t>(load<std::uint16_t>(bytes)) << 16);
    case DType::i32:
      return load<std::int32_t>(bytes);
    case DType::u8:
    case DType::i64:
      break;
  }
  fail("no test data of type {}", name_of(type));
}

double rounded(DType type, double value) {
  std::array<std::byte, 8> bytes{};
  encode(type, value, bytes.data());
  return decode(type, bytes.data());
}

}  // namespace secateur::test
