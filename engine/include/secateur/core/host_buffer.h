// HostBuffer: memory of the host that a device's copies run from or to (Device::host_allocator).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "secateur/core/device.h"

namespace secateur {

class HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(Device& device, std::int64_t bytes)
      : allocator_(device.host_allocator()),
        data_(bytes > 0 ? static_cast<std::byte*>(allocator_->allocate(bytes)) : nullptr),
        bytes_(bytes) {}
  ~HostBuffer() {
    if (data_ != nullptr) allocator_->release(data_, bytes_);
  }
  HostBuffer(HostBuffer&& other) noexcept
      : allocator_(std::move(other.allocator_)),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  HostBuffer& operator=(HostBuffer&& other) noexcept {
    HostBuffer taken(std::move(other));
    std::swap(allocator_, taken.allocator_);
    std::swap(data_, taken.data_);
    std::swap(bytes_, taken.bytes_);
    return *this;
  }
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<Allocator> allocator_;
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

}  // namespace secateur
