#include "secateur/backend/open_device.h"

#include <map>
#include <mutex>

#include "secateur/backend/kernel.h"
#include "secateur/core/error.h"
#include "secateur/dist/communicator.h"

namespace secateur {
namespace {

struct DeviceTable {
  std::mutex mutex;
  std::map<DeviceKind, DeviceEntry> entries;
};

// Like the tables of ops and kernels: filled at start-up, then only read.
DeviceTable& table() {
  static DeviceTable instance;
  return instance;
}

const DeviceEntry* find(DeviceKind kind) {
  register_builtin_kernels();
  DeviceTable& devices = table();
  const std::scoped_lock lock(devices.mutex);
  const auto found = devices.entries.find(kind);
  return found == devices.entries.end() ? nullptr : &found->second;
}

}  // namespace

void register_device(DeviceKind kind, DeviceEntry entry) {
  DeviceTable& devices = table();
  const std::scoped_lock lock(devices.mutex);
  const bool is_new = devices.entries.emplace(kind, std::move(entry)).second;
  require(is_new, "devices of kind {} are registered already", name_of(kind));
}

std::optional<std::string> why_no_device(DeviceKind kind, int ordinal) {
  if (kind != DeviceKind::cuda) return std::nullopt;
  const DeviceEntry* entry = find(kind);
  if (entry == nullptr) return "this build has no CUDA back end (cmake --preset cuda builds one)";
  return entry->why_none(ordinal);
}

std::unique_ptr<Device> open_device(DeviceKind kind, const DeviceOptions& options) {
  if (kind != DeviceKind::cuda) return make_host_device(kind, options.allocator);
  if (const auto reason = why_no_device(kind, options.ordinal)) fail("device {}: {}", name_of(kind), *reason);
  return find(kind)->open(options);
}

std::unique_ptr<Communicator> open_communicator(Device& device, Communicator& hosts) {
  const DeviceEntry* entry = find(device.kind());
  return entry == nullptr || !entry->communicate ? nullptr : entry->communicate(device, hosts);
}

}  // namespace secateur
