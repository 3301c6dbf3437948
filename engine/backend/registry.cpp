#include <array>
#include <map>
#include <mutex>

#include "secateur/backend/kernel.h"
#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

struct KernelTable {
  std::mutex mutex;
  std::map<std::pair<std::string, DeviceKind>, KernelEntry> entries;
  std::map<DeviceKind, Primitives*> primitives;
};

// The one table of kernels, like that of ops: filled at start-up, then only read.
KernelTable& table() {
  static KernelTable instance;
  return instance;
}

constexpr std::array<std::string_view, 5> kPrecisionNames{"fp32", "tf32", "bf16", "fp16", "fp64"};

}  // namespace

std::string_view name_of(Precision precision) {
  return kPrecisionNames.at(static_cast<std::size_t>(precision));
}

Precision precision_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kPrecisionNames.size(); ++i) {
    if (kPrecisionNames.at(i) == name) return static_cast<Precision>(i);
  }
  fail("unknown precision '{}': expected one of {}", name, fmt::join(kPrecisionNames, ", "));
}

DType storage_type(Precision precision) {
  switch (precision) {
    case Precision::bf16:
      return DType::bf16;
    case Precision::fp16:
      return DType::f16;
    case Precision::fp64:
      return DType::f64;
    case Precision::fp32:
    case Precision::tf32:
      break;
  }
  return DType::f32;
}

bool KernelSetup::has_backward() const {
  if (parameter_gradients_wanted) return true;
  for (const bool wanted : input_gradient_wanted) {
    if (wanted) return true;
  }
  return false;
}

void register_kernel(std::string_view op, DeviceKind device, KernelEntry entry) {
  KernelTable& kernels = table();
  const std::scoped_lock lock(kernels.mutex);
  const bool is_new = kernels.entries.emplace(std::pair(std::string(op), device), std::move(entry)).second;
  require(is_new, "a kernel for op '{}' on {} is registered already", op, name_of(device));
}

bool has_kernel(std::string_view op, DeviceKind device) {
  KernelTable& kernels = table();
  const std::scoped_lock lock(kernels.mutex);
  return kernels.entries.contains({std::string(op), device});
}

namespace {

// Null where there is none. Entries stay where they are.
const KernelEntry* entry_of(const KernelSetup& setup) {
  KernelTable& kernels = table();
  const std::scoped_lock lock(kernels.mutex);
  const auto found = kernels.entries.find({setup.node.op, setup.stream.device().kind()});
  return found != kernels.entries.end() ? &found->second : nullptr;
}

}  // namespace

std::optional<std::string> why_no_kernel(const KernelSetup& setup) {
  const KernelEntry* entry = entry_of(setup);
  if (entry != nullptr) return entry->unsupported(setup);
  return fmt::format("op '{}' has no kernel for {}", setup.node.op, name_of(setup.stream.device().kind()));
}

std::unique_ptr<Kernel> make_kernel(const KernelSetup& setup) {
  const DeviceKind device = setup.stream.device().kind();
  const KernelEntry* entry = entry_of(setup);
  require(entry != nullptr, "layer '{}': op '{}' has no kernel for {}", setup.node.name, setup.node.op,
          name_of(device));
  if (const auto reason = entry->unsupported(setup)) {
    fail("layer '{}' ({}) cannot run on {} in {}: {}", setup.node.name, setup.node.op, name_of(device),
         name_of(setup.precision), *reason);
  }
  return entry->make(setup);
}

void register_primitives(DeviceKind kind, Primitives& primitives) {
  KernelTable& kernels = table();
  const std::scoped_lock lock(kernels.mutex);
  const bool is_new = kernels.primitives.emplace(kind, &primitives).second;
  require(is_new, "primitives for {} are registered already", name_of(kind));
}

Primitives& primitives_of(DeviceKind kind) {
  register_builtin_kernels();
  KernelTable& kernels = table();
  const std::scoped_lock lock(kernels.mutex);
  const auto found = kernels.primitives.find(kind);
  require(found != kernels.primitives.end(), "this build has no back end for {}", name_of(kind));
  return *found->second;
}

}  // namespace secateur
