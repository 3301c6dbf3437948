// Device: where memory lies and work runs. Stream: an ordered queue of work on a Device.
//
// A Device owns the accounting of its memory; there are no globals. The host devices (`cpu`, and `reference`,
// the float64 oracle) live here; back ends for accelerators derive from Device and are opened through
// backend/open_device.h. An embedding program can hand in its own Allocator.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace secateur {

enum class DeviceKind : std::uint8_t { cpu, cuda, reference };

[[nodiscard]] std::string_view name_of(DeviceKind kind);
// Inverse of name_of; throws Error that lists the known kinds.
[[nodiscard]] DeviceKind device_kind_from_name(std::string_view name);

// Source of device memory. allocate throws Error when it cannot; release never throws.
class Allocator {
 public:
  virtual ~Allocator() = default;
  [[nodiscard]] virtual void* allocate(std::int64_t bytes) = 0;
  virtual void release(void* memory, std::int64_t bytes) noexcept = 0;
};

class Stream;

// A point in a stream's queue. One thread at a time uses it.
class Event {
 public:
  virtual ~Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // After what is queued on the stream now. Takes the place of an earlier point.
  virtual void record(Stream& stream) = 0;
  // Returns once the work before the point is done; at once where no point was recorded.
  virtual void wait() = 0;

 protected:
  Event() = default;
};

class Device {
 public:
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] DeviceKind kind() const { return kind_; }
  // What a person would call it: the processor's or the GPU's name.
  [[nodiscard]] virtual std::string description() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Stream> make_stream() = 0;
  // Bytes that could be allocated now, as far as the device tells; nothing where it does not (the host).
  [[nodiscard]] virtual std::optional<std::int64_t> free_bytes() const { return std::nullopt; }

  // Source of memory of the host that copies to this device can be made from while it works (page-locked on a
  // GPU, ordinary memory elsewhere), aligned to kAlignment. Prefer HostBuffer, which releases by itself.
  [[nodiscard]] virtual std::shared_ptr<Allocator> host_allocator();
  [[nodiscard]] virtual std::unique_ptr<Event> make_event();

  // Memory aligned to kAlignment. Prefer Slab, which releases by itself.
  [[nodiscard]] void* allocate(std::int64_t bytes);
  void release(void* memory, std::int64_t bytes) noexcept;

  [[nodiscard]] std::int64_t allocated_bytes() const { return allocated_; }
  [[nodiscard]] std::int64_t peak_bytes() const { return peak_; }
  // Number of allocations since the device was made: tests assert that a warm step makes none.
  [[nodiscard]] std::int64_t allocations() const { return allocations_; }

  static constexpr std::int64_t kAlignment = 256;

 protected:
  Device(DeviceKind kind, std::shared_ptr<Allocator> allocator);

 private:
  DeviceKind kind_;
  std::shared_ptr<Allocator> allocator_;
  std::int64_t allocated_ = 0;
  std::int64_t peak_ = 0;
  std::int64_t allocations_ = 0;
};

// Work that was recorded from a stream, to be queued again as a whole by one call.
class Recording {
 public:
  virtual ~Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // Queues the work, with the addresses and values of its recording, on the stream that it was recorded from.
  virtual void replay() = 0;
  // Kernels that one replay runs.
  [[nodiscard]] virtual std::int64_t kernels() const = 0;

 protected:
  Recording() = default;
};

// Work queued on a stream runs in order. Host streams run at once.
class Stream {
 public:
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] Device& device() const { return device_; }
  // Makes the device the calling thread's current one, where its back end knows such a thing. Programs and
  // primitives call it before they queue work.
  virtual void make_current() {}
  virtual void synchronize() = 0;
  // What is queued from here on begins once the work before the event's point is done.
  virtual void wait_for(Event& /*event*/) {}
  // The host's memory may be changed once this returns; memory of Device::host_allocator() once an event that
  // was recorded after it has passed.
  virtual void copy_to_device(void* destination, const void* host, std::int64_t bytes) = 0;
  // Returns once the bytes are on the host.
  virtual void copy_to_host(void* host, const void* source, std::int64_t bytes) = 0;
  virtual void copy(void* destination, const void* source, std::int64_t bytes) = 0;
  virtual void zero(void* destination, std::int64_t bytes) = 0;

  // Whether record() works here; host streams, which queue nothing, cannot.
  [[nodiscard]] virtual bool can_record() const { return false; }
  // What `work` queues on this stream, not run but kept. `work` may not wait for the stream, copy from or to
  // the host, or take memory: throws Error then, as for whatever `work` throws, and the stream is as before.
  [[nodiscard]] virtual std::unique_ptr<Recording> record(const std::function<void()>& work);

 protected:
  explicit Stream(Device& device) : device_(device) {}

 private:
  Device& device_;
};

// A host device of kind cpu (float32 on oneDNN and vectorised kernels) or reference (float64, plain loops
// written from the equations). Without an allocator it takes aligned memory from the C++ heap.
[[nodiscard]] std::unique_ptr<Device> make_host_device(DeviceKind kind,
                                                       std::shared_ptr<Allocator> allocator = nullptr);

}  // namespace secateur
