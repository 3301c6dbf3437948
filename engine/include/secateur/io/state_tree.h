// StateTree: named tensors and values that every stateful part saves itself into and restores itself from. It
// is what a checkpoint file holds (io/checkpoint.h), and it knows nothing of who fills it.
//
// Paths are slash-separated ("optimizer/momentum/conv1.weight"). A part is given a Scope and writes below it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "secateur/core/dtype.h"
#include "secateur/core/shape.h"

namespace secateur {

// Dense host copy of a tensor (no leading dimension), little-endian.
struct StoredTensor {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::byte> bytes;
  bool operator==(const StoredTensor&) const = default;
};

using StateValue = std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>,
                                std::vector<double>, std::vector<std::string>, StoredTensor>;

class StateTree {
 public:
  // Throws Error when the path is empty, has empty parts, or is taken, or when it runs through a value.
  void set(std::string_view path, StateValue value);

  // Throws Error that names the path, the expected kind and what is there (or the nearest path that exists).
  template <class T>
  [[nodiscard]] const T& get(std::string_view path) const {
    const StateValue& value = at(path);
    if (const T* typed = std::get_if<T>(&value)) return *typed;
    wrong_kind(path, value, StateValue(T{}));
  }
  template <class T>
  [[nodiscard]] T get_or(std::string_view path, T fallback) const {
    return contains(path) ? get<T>(path) : fallback;
  }
  [[nodiscard]] bool contains(std::string_view path) const;
  [[nodiscard]] const StateValue& at(std::string_view path) const;

  // Names directly below `path` ("" is the root), in order, without duplicates.
  [[nodiscard]] std::vector<std::string> children(std::string_view path) const;

  [[nodiscard]] const std::map<std::string, StateValue, std::less<>>& entries() const { return entries_; }
  bool operator==(const StateTree&) const = default;

 private:
  [[noreturn]] static void wrong_kind(std::string_view path, const StateValue& found,
                                      const StateValue& expected);

  std::map<std::string, StateValue, std::less<>> entries_;
};

// A place in a tree: what a part is handed to save itself into.
class StateWriter {
 public:
  explicit StateWriter(StateTree& tree, std::string prefix = "") : tree_(&tree), prefix_(std::move(prefix)) {}
  void set(std::string_view name, StateValue value) { tree_->set(path(name), std::move(value)); }
  [[nodiscard]] StateWriter scope(std::string_view name) const { return StateWriter(*tree_, path(name)); }

 private:
  [[nodiscard]] std::string path(std::string_view name) const;
  StateTree* tree_;
  std::string prefix_;
};

// A place in a tree: what a part is handed to restore itself from.
class StateReader {
 public:
  explicit StateReader(const StateTree& tree, std::string prefix = "")
      : tree_(&tree), prefix_(std::move(prefix)) {}
  template <class T>
  [[nodiscard]] const T& get(std::string_view name) const {
    return tree_->get<T>(path(name));
  }
  template <class T>
  [[nodiscard]] T get_or(std::string_view name, T fallback) const {
    return tree_->get_or<T>(path(name), std::move(fallback));
  }
  [[nodiscard]] const StateValue& value(std::string_view name) const { return tree_->at(path(name)); }
  // True for a value and for a scope that holds something.
  [[nodiscard]] bool contains(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> children() const { return tree_->children(prefix_); }
  [[nodiscard]] StateReader scope(std::string_view name) const { return StateReader(*tree_, path(name)); }

 private:
  [[nodiscard]] std::string path(std::string_view name) const;
  const StateTree* tree_;
  std::string prefix_;
};

}  // namespace secateur
