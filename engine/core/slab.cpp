#include "secateur/core/slab.h"

#include <utility>

#include "secateur/core/error.h"

namespace secateur {

Slab::Slab(Device& device, std::int64_t bytes) : device_(&device), bytes_(bytes) {
  require(bytes >= 0, "a slab cannot have {} bytes", bytes);
  if (bytes > 0) data_ = static_cast<std::byte*>(device.allocate(bytes));
}

Slab::~Slab() {
  if (data_ != nullptr) device_->release(data_, bytes_);
}

Slab::Slab(Slab&& other) noexcept
    : device_(std::exchange(other.device_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Slab& Slab::operator=(Slab&& other) noexcept {
  Slab taken(std::move(other));
  std::swap(device_, taken.device_);
  std::swap(data_, taken.data_);
  std::swap(bytes_, taken.bytes_);
  return *this;
}

}  // namespace secateur
