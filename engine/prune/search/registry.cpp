#include "prune/factory_registry.h"
#include "prune/search/searches.h"

namespace secateur {
namespace {

auto& registry() {
  static FactoryRegistry<SearchInfo, SearchFactory> instance(
      "search",
      {
          {{"none", "rates by the policy"}, [](const SearchProblem&) { return std::unique_ptr<Search>(); }},
          {{"abc", "artificial bee colony over tenths of each layer"}, make_abc_search},
      });
  return instance;
}

}  // namespace

std::unique_ptr<Search> make_search(const SearchProblem& problem) {
  return registry().find(problem.options.name)(problem);
}

void register_search(std::string name, std::string description, SearchFactory factory) {
  registry().add(std::move(name), std::move(description), std::move(factory));
}

std::vector<SearchInfo> registered_searches() { return registry().list(); }

}  // namespace secateur
