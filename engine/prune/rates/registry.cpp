#include <algorithm>
#include <mutex>

#include "prune/rates/rates.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur {
namespace {

struct Entry {
  RatePolicyInfo info;
  RatePolicyFactory make;
};

struct Registry {
  std::mutex mutex;
  std::vector<Entry> entries{
      {{"eq18", "psi (1 - Imp / max Imp) (1 - l / 2L), the paper's"}, make_eq18_policy},
      {{"importance", "psi (1 - Imp / max Imp): Eq. 18 without its depth factor"}, make_importance_policy},
      {{"depth", "psi (1 - l / 2L)"}, make_depth_policy},
      {{"uniform", "psi everywhere"}, make_uniform_policy},
      {{"global", "one threshold over all layers"}, make_global_policy},
      {{"fixed", "given for each layer"}, make_fixed_policy},
      {{"sensitivity", "in proportion to what each layer tolerates"}, make_sensitivity_policy},
      {{"cie", "largest rates whose losses, layer by layer, stay within one tolerance (from a description)"},
       make_cie_policy},
  };
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

RatePolicyOptions rate_policy_options(const PruneOptions& options) {
  return {options.rate, options.rate_table, options.max_space_rate};
}

std::unique_ptr<RatePolicy> make_rate_policy(std::string_view name, const RatePolicyOptions& options) {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  std::vector<std::string> names;
  for (const Entry& entry : r.entries) {
    if (entry.info.name == name) return entry.make(options);
    names.push_back(entry.info.name);
  }
  fail("unknown rate policy '{}': expected one of {}{}", name, fmt::join(names, ", "),
       did_you_mean(name, names));
}

void register_rate_policy(std::string name, std::string description, RatePolicyFactory factory) {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  const bool taken =
      std::ranges::any_of(r.entries, [&](const Entry& entry) { return entry.info.name == name; });
  require(!taken, "there is a rate policy '{}' already", name);
  r.entries.push_back({{std::move(name), std::move(description)}, std::move(factory)});
}

std::vector<RatePolicyInfo> registered_rate_policies() {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  std::vector<RatePolicyInfo> infos;
  for (const Entry& entry : r.entries) infos.push_back(entry.info);
  return infos;
}

}  // namespace secateur
