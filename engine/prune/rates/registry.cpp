#include "prune/factory_registry.h"
#include "prune/rates/rates.h"

namespace secateur {
namespace {

auto& registry() {
  static FactoryRegistry<RatePolicyInfo, RatePolicyFactory> instance(
      "rate policy",
      {
          {{"eq18", "psi (1 - Imp / max Imp) (1 - l / 2L), the paper's"}, make_eq18_policy},
          {{"importance", "psi (1 - Imp / max Imp): Eq. 18 without its depth factor"},
           make_importance_policy},
          {{"depth", "psi (1 - l / 2L)"}, make_depth_policy},
          {{"uniform", "psi everywhere"}, make_uniform_policy},
          {{"global", "one threshold over all layers"}, make_global_policy},
          {{"fixed", "given for each layer"}, make_fixed_policy},
          {{"sensitivity", "in proportion to what each layer tolerates"}, make_sensitivity_policy},
          {{"cie",
            "largest rates whose losses, layer by layer, stay within one tolerance (from a description)"},
           make_cie_policy},
      });
  return instance;
}

}  // namespace

RatePolicyOptions rate_policy_options(const PruneOptions& options) {
  return {options.rate, options.rate_table, options.max_space_rate};
}

std::unique_ptr<RatePolicy> make_rate_policy(std::string_view name, const RatePolicyOptions& options) {
  return registry().find(name)(options);
}

void register_rate_policy(std::string name, std::string description, RatePolicyFactory factory) {
  registry().add(std::move(name), std::move(description), std::move(factory));
}

std::vector<RatePolicyInfo> registered_rate_policies() { return registry().list(); }

}  // namespace secateur
