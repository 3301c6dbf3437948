#include "kernel_test.h"

#include <cstdlib>
#include <cstring>
#include <numbers>

#include "simt/half.h"

namespace secateur::kernels::test {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

std::size_t buffer_elements(std::int64_t rows, std::int64_t channels, std::int64_t ld) {
  return rows * channels == 0 ? 0 : static_cast<std::size_t>((rows - 1) * ld + channels);
}

std::size_t shift_of(Placement placement, std::size_t bytes, std::int64_t element) {
  const std::size_t to_boundary = (16 - bytes % 16) % 16;
  switch (placement) {
    case Placement::aligned:
      return to_boundary;
    case Placement::misaligned:
      return to_boundary + 16 - static_cast<std::size_t>(element);
    case Placement::exact:
    case Placement::begin:
      return 0;
  }
  return 0;
}

}  // namespace

std::uint64_t run_seed() {
  static const std::uint64_t seed = [] {
    const char* given = std::getenv("SECATEUR_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::uint64_t{1};
  }();
  return seed;
}

Random::Random() {
  static std::uint64_t uses = 0;
  state_ = mix(run_seed() ^ mix(++uses));
}

std::uint64_t Random::next() { return mix(state_ += 0x632BE59BD9B4E019U); }

double Random::uniform(double low, double high) {
  return low + (high - low) * static_cast<double>(next() >> 11) * 0x1p-53;
}

double Random::normal() {
  return std::sqrt(-2.0 * std::log(1.0 - uniform(0, 1))) * std::cos(2.0 * std::numbers::pi * uniform(0, 1));
}

std::int64_t Random::below(std::int64_t bound) {
  return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(bound));
}

std::vector<double> Random::normals(std::int64_t count, double mean, double deviation) {
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = mean + deviation * normal();
  return values;
}

MapBuffer::MapBuffer(DType type, std::int64_t rows, std::int64_t channels, std::int64_t ld,
                     Placement placement)
    : type_(type),
      rows_(rows),
      channels_(channels),
      ld_(ld < 0 ? channels : ld),
      buffer_(
          buffer_elements(rows, channels, ld_) * static_cast<std::size_t>(size_of(type)),
          placement == Placement::begin ? simt::Flush::begin : simt::Flush::end,
          shift_of(placement, buffer_elements(rows, channels, ld_) * static_cast<std::size_t>(size_of(type)),
                   size_of(type))) {}

MapBuffer& MapBuffer::fill(const std::vector<double>& values) {
  for (std::int64_t row = 0; row < rows_; ++row) {
    for (std::int64_t channel = 0; channel < channels_; ++channel) {
      const auto value = static_cast<float>(values.at(static_cast<std::size_t>(row * channels_ + channel)));
      unsigned char* target = buffer_.data() + (row * ld_ + channel) * size_of(type_);
      if (type_ == DType::f32) {
        std::memcpy(target, &value, sizeof(value));
      } else {
        const std::uint16_t bits =
            type_ == DType::f16 ? simt::float_to_half_bits(value) : simt::float_to_bfloat_bits(value);
        std::memcpy(target, &bits, sizeof(bits));
      }
    }
  }
  return *this;
}

double MapBuffer::element(std::int64_t index) const {
  const unsigned char* source = buffer_.data() + index * size_of(type_);
  if (type_ == DType::f32) {
    float value = 0;
    std::memcpy(&value, source, sizeof(value));
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, source, sizeof(bits));
  return type_ == DType::f16 ? simt::half_bits_to_float(bits) : simt::bfloat_bits_to_float(bits);
}

std::vector<double> MapBuffer::values() const {
  std::vector<double> values;
  for (std::int64_t row = 0; row < rows_; ++row) {
    for (std::int64_t channel = 0; channel < channels_; ++channel)
      values.push_back(element(row * ld_ + channel));
  }
  return values;
}

bool MapBuffer::padding_untouched() const {
  for (std::int64_t row = 0; row + 1 < rows_; ++row) {
    const unsigned char* first = buffer_.data() + (row * ld_ + channels_) * size_of(type_);
    for (std::int64_t byte = 0; byte < (ld_ - channels_) * size_of(type_); ++byte) {
      if (first[byte] != 0xFF) return false;
    }
  }
  return true;
}

double relative_error(const std::vector<double>& out, const std::vector<double>& reference,
                      const std::vector<double>& terms) {
  if (out.size() != reference.size()) return INFINITY;
  double difference = 0.0;
  double norm = 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    difference += (out[i] - reference[i]) * (out[i] - reference[i]);
    norm += reference[i] * reference[i];
  }
  double terms_norm = 0.0;
  for (const double term : terms) terms_norm += term * term;
  norm = std::max(norm, terms_norm);
  if (!std::isfinite(difference)) return INFINITY;
  return norm > 0.0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

double storage_tolerance(DType type) {
  switch (type) {
    case DType::f32:
      return 2e-6;
    case DType::f16:
      return 5e-4;
    case DType::bf16:
      return 4e-3;
  }
  return 0;
}

::testing::AssertionResult succeeded(const Status& status) {
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << status.message;
}

::testing::AssertionResult refused(const Status& status, const std::string& words) {
  if (status.code != StatusCode::invalid_argument) {
    return ::testing::AssertionFailure()
           << "not refused; code " << static_cast<int>(status.code) << " " << status.message;
  }
  if (status.message.find(words) == std::string::npos) {
    return ::testing::AssertionFailure() << "refused, but with: " << status.message;
  }
  return ::testing::AssertionSuccess();
}

std::vector<Layout> all_layouts() {
  return {{0, Placement::aligned}, {0, Placement::exact},      {0, Placement::begin},
          {5, Placement::aligned}, {0, Placement::misaligned}, {8, Placement::aligned}};
}

std::string describe(DType type, const Layout& layout) {
  return std::string(name_of(type)) + ", ld + " + std::to_string(layout.extra_ld) + ", placement " +
         std::to_string(static_cast<int>(layout.placement));
}

}  // namespace secateur::kernels::test
