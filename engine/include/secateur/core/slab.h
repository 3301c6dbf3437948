// Slab: one allocation with planned offsets. A model's parameters are one slab, a program's activations
// another; memory is known, and refused, before work starts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "secateur/core/device.h"

namespace secateur {

// Rounds up to a multiple of `alignment` (a positive number).
[[nodiscard]] constexpr std::int64_t align_up(std::int64_t value, std::int64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

class Slab {
 public:
  Slab() = default;
  // Allocates `bytes` (0 is allowed and allocates nothing). The device must outlive the slab.
  Slab(Device& device, std::int64_t bytes);
  ~Slab();
  Slab(Slab&& other) noexcept;
  Slab& operator=(Slab&& other) noexcept;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] void* at(std::int64_t offset) const { return data_ + offset; }

 private:
  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

}  // namespace secateur
