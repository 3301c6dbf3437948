#include "secateur/core/device.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <new>

#include "secateur/core/error.h"

namespace secateur {
namespace {

constexpr std::array<std::string_view, 3> kKindNames{"cpu", "cuda", "reference"};

// Large allocations ask for huge pages: kernels write dozens of streams at once, and the processor remembers
// the addresses of few pages.
class HeapAllocator final : public Allocator {
 public:
  void* allocate(std::int64_t bytes) override {
    void* memory =
        ::operator new (static_cast<std::size_t>(bytes), std::align_val_t{alignment(bytes)}, std::nothrow);
    require(memory != nullptr, "out of host memory: {} bytes were asked for", bytes);
#ifdef __linux__
    // A wish: without huge pages the memory is as good.
    if (alignment(bytes) == kHugePage)
      static_cast<void>(madvise(memory, static_cast<std::size_t>(bytes), MADV_HUGEPAGE));
#endif
    return memory;
  }
  void release(void* memory, std::int64_t bytes) noexcept override {
    ::operator delete (memory, std::align_val_t{alignment(bytes)});
  }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  static std::size_t alignment(std::int64_t bytes) {
    return static_cast<std::size_t>(bytes) >= 4 * kHugePage ? kHugePage : std::size_t{Device::kAlignment};
  }
};

// A host's work is done when it was asked for.
class HostEvent final : public Event {
 public:
  void record(Stream& /*stream*/) override {}
  void wait() override {}
};

class HostStream final : public Stream {
 public:
  explicit HostStream(Device& device) : Stream(device) {}
  void synchronize() override {}
  void copy_to_device(void* destination, const void* host, std::int64_t bytes) override {
    copy(destination, host, bytes);
  }
  void copy_to_host(void* host, const void* source, std::int64_t bytes) override {
    copy(host, source, bytes);
  }
  void copy(void* destination, const void* source, std::int64_t bytes) override {
    if (bytes > 0) std::memcpy(destination, source, static_cast<std::size_t>(bytes));
  }
  void zero(void* destination, std::int64_t bytes) override {
    if (bytes > 0) std::memset(destination, 0, static_cast<std::size_t>(bytes));
  }
};

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "host processor";
}

class HostDevice final : public Device {
 public:
  HostDevice(DeviceKind kind, std::shared_ptr<Allocator> allocator) : Device(kind, std::move(allocator)) {}
  std::string description() const override {
    return kind() == DeviceKind::cpu ? processor_name() : processor_name() + " (float64 reference)";
  }
  std::unique_ptr<Stream> make_stream() override { return std::make_unique<HostStream>(*this); }
};

}  // namespace

std::string_view name_of(DeviceKind kind) { return kKindNames.at(static_cast<std::size_t>(kind)); }

DeviceKind device_kind_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kKindNames.size(); ++i) {
    if (kKindNames.at(i) == name) return static_cast<DeviceKind>(i);
  }
  fail("unknown device '{}': expected one of {}", name, fmt::join(kKindNames, ", "));
}

Device::Device(DeviceKind kind, std::shared_ptr<Allocator> allocator)
    : kind_(kind), allocator_(std::move(allocator)) {}

std::shared_ptr<Allocator> Device::host_allocator() { return std::make_shared<HeapAllocator>(); }

std::unique_ptr<Event> Device::make_event() { return std::make_unique<HostEvent>(); }

void* Device::allocate(std::int64_t bytes) {
  void* memory = allocator_->allocate(bytes);
  allocated_ += bytes;
  ++allocations_;
  peak_ = std::max(peak_, allocated_);
  return memory;
}

void Device::release(void* memory, std::int64_t bytes) noexcept {
  allocator_->release(memory, bytes);
  allocated_ -= bytes;
}

std::unique_ptr<Recording> Stream::record(const std::function<void()>& /*work*/) {
  fail("a stream of a {} device cannot be recorded", name_of(device_.kind()));
}

std::unique_ptr<Device> make_host_device(DeviceKind kind, std::shared_ptr<Allocator> allocator) {
  require(kind != DeviceKind::cuda, "a CUDA device is no host device: open it through open_device");
  if (allocator == nullptr) allocator = std::make_shared<HeapAllocator>();
  return std::make_unique<HostDevice>(kind, std::move(allocator));
}

}  // namespace secateur
