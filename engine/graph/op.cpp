#include "secateur/graph/op.h"

#include <map>
#include <mutex>

#include "graph/builtin_ops.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

// The one table of ops. It is filled on first use and by embedding programs at start-up, and only read
// afterwards.
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<Op>, std::less<>> ops;
  Registry() {
    for (auto& op : make_builtin_ops()) {
      std::string name(op->name());
      ops.emplace(std::move(name), std::move(op));
    }
  }
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

std::vector<ParameterSpec> Op::parameters(const Node& /*node*/, std::span<const MapShape> /*inputs*/) const {
  return {};
}

std::int64_t Op::macs(const Node& /*node*/, std::span<const MapShape> /*inputs*/,
                      const MapShape& /*output*/) const {
  return 0;
}

void Op::keep_channels(Node& /*node*/, std::span<const std::vector<std::int64_t>> /*kept_inputs*/,
                       std::span<const std::int64_t> /*kept_output*/) const {}

void register_op(std::unique_ptr<Op> op) {
  Registry& table = registry();
  const std::scoped_lock lock(table.mutex);
  std::string name(op->name());
  require(!table.ops.contains(name), "an op called '{}' is registered already", name);
  table.ops.emplace(std::move(name), std::move(op));
}

const Op& find_op(std::string_view name) {
  Registry& table = registry();
  const std::scoped_lock lock(table.mutex);
  const auto found = table.ops.find(name);
  if (found == table.ops.end()) {
    std::vector<std::string> known;
    for (const auto& [key, op] : table.ops) known.push_back(key);
    fail("unknown op '{}': expected one of {}", name, fmt::join(known, ", "));
  }
  return *found->second;
}

std::vector<std::string> registered_ops() {
  Registry& table = registry();
  const std::scoped_lock lock(table.mutex);
  std::vector<std::string> names;
  for (const auto& [key, op] : table.ops) names.push_back(key);
  return names;
}

}  // namespace secateur
