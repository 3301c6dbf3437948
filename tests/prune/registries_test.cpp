// The registries of what pruning is made of: what is listed can be made, what is added is found, no name
// twice.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "secateur/core/error.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/rate_policy.h"
#include "secateur/prune/search.h"
#include "secateur/prune/train_hooks.h"

namespace secateur {
namespace {

struct Registry {
  std::string of;
  std::vector<std::string> built_in;  // before any test has added to it
  std::function<std::vector<std::string>()> listed;
  std::function<bool(const std::string&)> make;         // whether something was made; "none" is nothing
  std::function<void(const std::string&)> add_wrapper;  // of something that is there
};

std::ostream& operator<<(std::ostream& out, const Registry& registry) { return out << registry.of; }

// Of what has a description.
template <class Info>
std::vector<std::string> names_of(const std::vector<Info>& infos) {
  std::vector<std::string> names;
  for (const Info& info : infos) {
    if (!info.description.empty()) names.push_back(info.name);
  }
  return names;
}

PruneOptions with_hook(const std::string& name) {
  PruneOptions options;
  options.train_hook = name;
  return options;
}

SearchProblem with_search(const std::string& name) { return {.options = {.name = name}, .layers = 3}; }

class Registries : public testing::TestWithParam<Registry> {};

TEST_P(Registries, WhatIsListedCanBeMade) {
  EXPECT_GE(GetParam().built_in.size(), 2U);
  for (const std::string& name : GetParam().built_in) {
    EXPECT_EQ(GetParam().make(name), name != "none") << name;
  }
}

// Whose factory asks the registry that it stands in.
TEST_P(Registries, WhatIsAddedMayWrapWhatIsThere) {
  const Registry& registry = GetParam();
  EXPECT_THROW((void)registry.make("wrapper"), Error);
  registry.add_wrapper("wrapper");
  EXPECT_TRUE(registry.make("wrapper"));
  EXPECT_EQ(std::ranges::count(registry.listed(), "wrapper"), 1);
  EXPECT_THROW(registry.add_wrapper("wrapper"), Error);
  EXPECT_THROW(registry.add_wrapper(registry.built_in.front()), Error);
}

const Registry kRegistries[] = {
    {"criteria", names_of(registered_criteria()), [] { return names_of(registered_criteria()); },
     [](const std::string& name) { return make_criterion(name, {}) != nullptr; },
     [](const std::string& name) {
       register_criterion(name, "as l1", [](const CriterionOptions& o) { return make_criterion("l1", o); });
     }},
    {"rate_policies", names_of(registered_rate_policies()),
     [] { return names_of(registered_rate_policies()); },
     [](const std::string& name) {
       RatePolicyOptions options;
       options.table = {name == "cie" ? "*=0.5@0.1" : "*=0.5"};
       return make_rate_policy(name, options) != nullptr;
     },
     [](const std::string& name) {
       register_rate_policy(name, "as uniform",
                            [](const RatePolicyOptions& o) { return make_rate_policy("uniform", o); });
     }},
    {"train_hooks", names_of(registered_train_hooks()), [] { return names_of(registered_train_hooks()); },
     [](const std::string& name) { return make_train_hook(with_hook(name)) != nullptr; },
     [](const std::string& name) {
       register_train_hook(name, "as slimming",
                           [](const PruneOptions&) { return make_train_hook(with_hook("slimming")); });
     }},
    {"searches", names_of(registered_searches()), [] { return names_of(registered_searches()); },
     [](const std::string& name) { return make_search(with_search(name)) != nullptr; },
     [](const std::string& name) {
       register_search(name, "as abc", [](const SearchProblem&) { return make_search(with_search("abc")); });
     }},
};

INSTANTIATE_TEST_SUITE_P(Pruning, Registries, testing::ValuesIn(kRegistries),
                         [](const auto& test) { return test.param.of; });

}  // namespace
}  // namespace secateur
