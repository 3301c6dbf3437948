#include "secateur/core/host_values.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "secateur/core/error.h"

namespace secateur {
namespace {

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

double bfloat_value(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// How a type is stored, and how its values are had from that and back.
template <class Stored, auto to_double, auto from_double>
struct Codec {
  static double load(const std::byte* bytes) {
    Stored stored;
    std::memcpy(&stored, bytes, sizeof(stored));
    return to_double(stored);
  }
  static void store(double value, std::byte* bytes) {
    const Stored stored = from_double(value);
    std::memcpy(bytes, &stored, sizeof(stored));
  }
};
template <class T>
constexpr auto kWiden = [](T value) { return static_cast<double>(value); };
template <class T>
constexpr auto kNarrow = [](double value) { return static_cast<T>(value); };

// Calls visit with the codec of a type.
template <class Visit>
auto with_codec(DType type, Visit&& visit) {
  switch (type) {
    case DType::f64:
      return visit(Codec<double, kWiden<double>, kNarrow<double>>());
    case DType::f32:
      return visit(Codec<float, kWiden<float>, kNarrow<float>>());
    case DType::f16:
      return visit(Codec<std::uint16_t, half_value, half_bits>());
    case DType::bf16:
      return visit(Codec<std::uint16_t, bfloat_value, bfloat_bits>());
    case DType::i32:
      return visit(Codec<std::int32_t, kWiden<std::int32_t>, kNarrow<std::int32_t>>());
    case DType::u8:
    case DType::i64:
      break;
  }
  fail("elements of {} are not read or written one by one", name_of(type));
}

// Bytes from the first to the last element. What lies beyond the last row's channels may belong to another
// tensor: a tensor can be some channels of a wider map.
std::int64_t span_bytes(const Tensor& tensor) {
  return ((tensor.rows() - 1) * tensor.leading + tensor.channels()) * size_of(tensor.dtype);
}

}  // namespace

void encode_element(DType type, double value, std::byte* bytes) {
  with_codec(type, [&](auto codec) { codec.store(value, bytes); });
}

double decode_element(DType type, const std::byte* bytes) {
  return with_codec(type, [&](auto codec) { return codec.load(bytes); });
}

double rounded_to(DType type, double value) {
  std::array<std::byte, 8> bytes{};
  encode_element(type, value, bytes.data());
  return decode_element(type, bytes.data());
}

std::vector<double> read_values(const Tensor& tensor, Stream& stream) {
  std::vector<double> values(static_cast<std::size_t>(tensor.count()));
  if (values.empty()) return values;
  std::vector<std::byte> bytes(static_cast<std::size_t>(span_bytes(tensor)));
  stream.copy_to_host(bytes.data(), tensor.data, span_bytes(tensor));
  const std::int64_t element = size_of(tensor.dtype);
  with_codec(tensor.dtype, [&](auto codec) {
    auto value = values.begin();
    for (std::int64_t row = 0; row < tensor.rows(); ++row) {
      const std::byte* from = bytes.data() + row * tensor.leading * element;
      for (std::int64_t c = 0; c < tensor.channels(); ++c) *value++ = codec.load(from + c * element);
    }
  });
  return values;
}

void write_values(const Tensor& tensor, std::span<const double> values, Stream& stream) {
  require(static_cast<std::int64_t>(values.size()) == tensor.count(),
          "expected {} values for a tensor {}, got {}", tensor.count(), tensor.shape.to_string(),
          values.size());
  if (values.empty()) return;
  std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.stored_bytes()), std::byte{0});
  const std::int64_t element = size_of(tensor.dtype);
  with_codec(tensor.dtype, [&](auto codec) {
    auto value = values.begin();
    for (std::int64_t row = 0; row < tensor.rows(); ++row) {
      std::byte* to = bytes.data() + row * tensor.leading * element;
      for (std::int64_t c = 0; c < tensor.channels(); ++c) codec.store(*value++, to + c * element);
    }
  });
  stream.copy_to_device(tensor.data, bytes.data(), tensor.stored_bytes());
  stream.synchronize();  // the bytes go
}

}  // namespace secateur
