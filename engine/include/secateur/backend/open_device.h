// open_device: a device by its kind, as programs ask for it by name. The host devices are always there; back
// ends for accelerators make theirs known when they register their kernels.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "secateur/core/device.h"

namespace secateur {

class Communicator;
enum class Precision : std::uint8_t;  // secateur/backend/kernel.h

struct DeviceOptions {
  int ordinal = 0;                                 // which accelerator of its kind
  std::shared_ptr<Allocator> allocator = nullptr;  // null: the back end's own
};

// Throws Error that says why there is no such device: this build has no back end for it, or this machine no
// device.
[[nodiscard]] std::unique_ptr<Device> open_device(DeviceKind kind, const DeviceOptions& options = {});
// Why open_device would throw, or nothing.
[[nodiscard]] std::optional<std::string> why_no_device(DeviceKind kind, int ordinal = 0);

// Why networks cannot run in `precision` on devices of this kind here, or nothing. A GPU's back end says it
// layer by layer when a program is compiled.
[[nodiscard]] std::optional<std::string> why_no_precision(DeviceKind kind, Precision precision);

// A communicator for the memory of `device` that uses the back end's own way between devices (NCCL), and
// `hosts` to begin with and for the host's memory. Collective over `hosts`, which must outlive it, each of
// whose ranks has a device of its own. Null where this build has no such way: `hosts` itself takes the
// device's memory then.
[[nodiscard]] std::unique_ptr<Communicator> open_communicator(Device& device, Communicator& hosts);

// What a back end tells of its devices.
struct DeviceEntry {
  std::function<std::unique_ptr<Device>(const DeviceOptions&)> open;
  std::function<std::optional<std::string>(int ordinal)> why_none;
  std::function<std::unique_ptr<Communicator>(Device&, Communicator&)> communicate = {};
};
// Throws Error when the kind is taken.
void register_device(DeviceKind kind, DeviceEntry entry);

}  // namespace secateur
