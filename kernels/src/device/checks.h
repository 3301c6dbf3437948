// Checks of arguments at the public edge. Each returns the first thing that is wrong.
#pragma once

#include <cstdint>
#include <string>

#include "secateur/kernels/channel_moments.h"
#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

// Products of sizes are kept below this, so that byte offsets fit 63 bits.
constexpr std::int64_t kMaxElements = std::int64_t{1} << 58;

// Collects the first failure; later checks do nothing.
class Check {
 public:
  explicit Check(const char* kernel) : kernel_(kernel) {}

  Check& that(bool condition, const std::string& expected) {
    if (status_.ok() && !condition) status_ = Status::invalid(std::string(kernel_) + ": " + expected);
    return *this;
  }
  Check& size(const char* name, std::int64_t value) {
    return that(value >= 0, std::string(name) + " must not be negative, is " + std::to_string(value));
  }
  Check& positive(const char* name, std::int64_t value) {
    return that(value > 0, std::string(name) + " must be positive, is " + std::to_string(value));
  }
  Check& pointer(const char* name, const void* value) {
    return that(value != nullptr, std::string(name) + " is null");
  }
  Check& type(DType value) {
    return that(value == DType::f32 || value == DType::f16 || value == DType::bf16,
                "element type " + std::to_string(static_cast<int>(value)) + " is none of f32, f16, bf16");
  }
  Check& aligned(const char* name, const void* value, std::int64_t bytes) {
    return that(reinterpret_cast<std::uintptr_t>(value) % static_cast<std::uintptr_t>(bytes) == 0,
                std::string(name) + " is not aligned to its elements of " + std::to_string(bytes) + " bytes");
  }
  Check& product(const char* name, std::int64_t a, std::int64_t b) {
    return that(a <= 0 || b <= kMaxElements / a, std::string(name) + ": " + std::to_string(a) + " x " +
                                                     std::to_string(b) + " elements overflow");
  }
  // A map of rows x channels with a leading dimension; its pointer may be null only where it is empty.
  Check& map(const char* name, const void* data, std::int64_t element_bytes, std::int64_t rows,
             std::int64_t channels, std::int64_t ld) {
    that(ld >= channels, std::string(name) + ": leading dimension " + std::to_string(ld) + " is less than " +
                             std::to_string(channels) + " channels");
    product(name, rows, ld);
    if (rows > 0 && channels > 0) pointer(name, data);
    return aligned(name, data, element_bytes);
  }

  [[nodiscard]] bool failed() const { return !status_.ok(); }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  const char* kernel_;
  Status status_;
};

inline void check_map_shape(Check& check, const char* name, const void* maps, const MapShape& shape) {
  check.type(shape.type).size("images", shape.images).positive("positions", shape.positions);
  check.size("channels", shape.channels).product(name, shape.images, shape.positions);
  if (check.failed()) return;
  check.map(name, maps, size_of(shape.type), shape.images * shape.positions, shape.channels, shape.ld);
}

}  // namespace secateur::kernels
