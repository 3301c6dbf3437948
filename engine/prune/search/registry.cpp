#include <algorithm>
#include <mutex>

#include "prune/search/searches.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur {
namespace {

struct Entry {
  SearchInfo info;
  SearchFactory make;
};

struct Registry {
  std::mutex mutex;
  std::vector<Entry> entries{
      {{"none", "rates by the policy"}, [](const SearchProblem&) { return std::unique_ptr<Search>(); }},
      {{"abc", "artificial bee colony over tenths of each layer"}, make_abc_search},
  };
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

std::unique_ptr<Search> make_search(const SearchProblem& problem) {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  std::vector<std::string> names;
  for (const Entry& entry : r.entries) {
    if (entry.info.name == problem.options.name) return entry.make(problem);
    names.push_back(entry.info.name);
  }
  fail("unknown search '{}': expected one of {}{}", problem.options.name, fmt::join(names, ", "),
       did_you_mean(problem.options.name, names));
}

void register_search(std::string name, std::string description, SearchFactory factory) {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  const bool taken =
      std::ranges::any_of(r.entries, [&](const Entry& entry) { return entry.info.name == name; });
  require(!taken, "there is a search '{}' already", name);
  r.entries.push_back({{std::move(name), std::move(description)}, std::move(factory)});
}

std::vector<SearchInfo> registered_searches() {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  std::vector<SearchInfo> infos;
  for (const Entry& entry : r.entries) infos.push_back(entry.info);
  return infos;
}

}  // namespace secateur
