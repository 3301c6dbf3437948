// Named factories, each with a description: what the registries of criteria, rate policies, training hooks
// and searches have in common. Any thread may add to one and ask it.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur {

// Info: a name and a description.
template <class Info, class Factory>
class FactoryRegistry {
 public:
  struct Entry {
    Info info;
    Factory make;
  };
  // `kind` is what errors call an entry.
  FactoryRegistry(std::string kind, std::vector<Entry> built_in)
      : kind_(std::move(kind)), entries_(std::move(built_in)) {}

  // A copy: a factory is called without the lock, and may make another of its kind. Throws Error that lists
  // the names.
  [[nodiscard]] Factory find(std::string_view name) const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> names;
    for (const Entry& entry : entries_) {
      if (entry.info.name == name) return entry.make;
      names.push_back(entry.info.name);
    }
    fail("unknown {} '{}': expected one of {}{}", kind_, name, fmt::join(names, ", "),
         did_you_mean(name, names));
  }

  // Throws Error when the name is taken.
  void add(std::string name, std::string description, Factory factory) {
    const std::scoped_lock lock(mutex_);
    const bool taken =
        std::ranges::any_of(entries_, [&](const Entry& entry) { return entry.info.name == name; });
    require(!taken, "there is a {} '{}' already", kind_, name);
    entries_.push_back({{std::move(name), std::move(description)}, std::move(factory)});
  }

  [[nodiscard]] std::vector<Info> list() const {
    const std::scoped_lock lock(mutex_);
    std::vector<Info> infos;
    for (const Entry& entry : entries_) infos.push_back(entry.info);
    return infos;
  }

 private:
  const std::string kind_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace secateur
