#include "secateur/io/state_tree.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur {
namespace {

void check_path(std::string_view path) {
  require(!path.empty(), "a path in a state tree is empty");
  require(path.find('\0') == std::string_view::npos,
          "a path in a state tree holds a NUL character, after '{}'", path.substr(0, path.find('\0')));
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    require(!part.empty(), "path '{}' in a state tree has an empty part", path);
    require(part != ".", "path '{}' in a state tree has the part '.'", path);
    begin = end + 1;
  }
}

// "an integer", "a tensor f32 [16, 3, 3, 3]"
struct Describe {
  std::string operator()(std::int64_t) const { return "an integer"; }
  std::string operator()(double) const { return "a real number"; }
  std::string operator()(bool) const { return "a boolean"; }
  std::string operator()(const std::string&) const { return "a string"; }
  std::string operator()(const std::vector<std::int64_t>&) const { return "a list of integers"; }
  std::string operator()(const std::vector<double>&) const { return "a list of real numbers"; }
  std::string operator()(const std::vector<std::string>&) const { return "a list of strings"; }
  std::string operator()(const StoredTensor& tensor) const {
    return fmt::format("a tensor {} {}", name_of(tensor.dtype), tensor.shape.to_string());
  }
};

std::string join(const std::string& prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : fmt::format("{}/{}", prefix, name);
}

}  // namespace

void StateTree::set(std::string_view path, StateValue value) {
  check_path(path);
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    require(!contains(path.substr(0, slash)), "state '{}' cannot be set: '{}' is a value, not a scope", path,
            path.substr(0, slash));
  }
  require(!contains(path), "state '{}' is set twice", path);
  require(children(path).empty(), "state '{}' cannot be set: it is a scope that holds other values", path);
  entries_.emplace(path, std::move(value));
}

bool StateTree::contains(std::string_view path) const { return entries_.contains(path); }

const StateValue& StateTree::at(std::string_view path) const {
  const auto found = entries_.find(path);
  if (found != entries_.end()) return found->second;
  const std::vector<std::string> below = children(path);
  require(below.empty(), "state '{}' is a scope (of {}), not a value", path, fmt::join(below, ", "));
  // However far it is: it tells what kind of state this is when a wrong one was opened.
  const auto nearest = nearest_name(path, keys_of(entries_), std::numeric_limits<std::int64_t>::max());
  require(nearest.has_value(), "there is no state '{}': the tree is empty", path);
  fail("there is no state '{}'; the nearest is '{}'", path, *nearest);
}

std::vector<std::string> StateTree::children(std::string_view path) const {
  const std::string prefix = path.empty() ? std::string() : std::string(path) + '/';
  // Sorted by name: the order of whole paths differs from it, since '-' and '.' come before '/'.
  std::set<std::string> names;
  for (auto entry = entries_.lower_bound(prefix);
       entry != entries_.end() && entry->first.starts_with(prefix);) {
    const std::size_t end = entry->first.find('/', prefix.size());
    std::string name = entry->first.substr(prefix.size(), end - prefix.size());
    // '0' follows '/': the first path that is not below this name.
    entry = end == std::string::npos ? std::next(entry) : entries_.lower_bound(prefix + name + '0');
    names.insert(std::move(name));
  }
  return {names.begin(), names.end()};
}

void StateTree::wrong_kind(std::string_view path, const StateValue& found, const StateValue& expected) {
  const bool tensor = std::holds_alternative<StoredTensor>(expected);
  fail("state '{}': expected {}, found {}", path, tensor ? "a tensor" : std::visit(Describe{}, expected),
       std::visit(Describe{}, found));
}

std::string StateWriter::path(std::string_view name) const { return join(prefix_, name); }

std::string StateReader::path(std::string_view name) const { return join(prefix_, name); }

bool StateReader::contains(std::string_view name) const {
  const std::string full = path(name);
  return tree_->contains(full) || !tree_->children(full).empty();
}

}  // namespace secateur
