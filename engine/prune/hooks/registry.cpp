#include <algorithm>
#include <mutex>

#include "prune/hooks/hooks.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur {
namespace {

struct Entry {
  TrainHookInfo info;
  TrainHookFactory make;
};

struct Registry {
  std::mutex mutex;
  std::vector<Entry> entries{
      {{"none", "plain training"}, [](const PruneOptions&) { return std::unique_ptr<TrainHook>(); }},
      {{"slimming", "L1 on the scales of batch norms"}, make_slimming_hook},
      {{"group_lasso", "decay of whole channels, the weaker the stronger"}, make_group_lasso_hook},
      {{"hbfp", "draws the norms of the filters together that ran most alike"}, make_hbfp_hook},
  };
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

std::unique_ptr<TrainHook> make_train_hook(const PruneOptions& options) {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  std::vector<std::string> names;
  for (const Entry& entry : r.entries) {
    if (entry.info.name == options.train_hook) return entry.make(options);
    names.push_back(entry.info.name);
  }
  fail("unknown training hook '{}': expected one of {}{}", options.train_hook, fmt::join(names, ", "),
       did_you_mean(options.train_hook, names));
}

void register_train_hook(std::string name, std::string description, TrainHookFactory factory) {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  const bool taken =
      std::ranges::any_of(r.entries, [&](const Entry& entry) { return entry.info.name == name; });
  require(!taken, "there is a training hook '{}' already", name);
  r.entries.push_back({{std::move(name), std::move(description)}, std::move(factory)});
}

std::vector<TrainHookInfo> registered_train_hooks() {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  std::vector<TrainHookInfo> infos;
  for (const Entry& entry : r.entries) infos.push_back(entry.info);
  return infos;
}

}  // namespace secateur
