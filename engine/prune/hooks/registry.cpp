#include "prune/factory_registry.h"
#include "prune/hooks/hooks.h"

namespace secateur {
namespace {

auto& registry() {
  static FactoryRegistry<TrainHookInfo, TrainHookFactory> instance(
      "training hook",
      {
          {{"none", "plain training"}, [](const PruneOptions&) { return std::unique_ptr<TrainHook>(); }},
          {{"slimming", "L1 on the scales of batch norms"}, make_slimming_hook},
          {{"group_lasso", "decay of whole channels, the weaker the stronger"}, make_group_lasso_hook},
          {{"hbfp", "draws the norms of the filters together that ran most alike"}, make_hbfp_hook},
      });
  return instance;
}

}  // namespace

std::unique_ptr<TrainHook> make_train_hook(const PruneOptions& options) {
  return registry().find(options.train_hook)(options);
}

void register_train_hook(std::string name, std::string description, TrainHookFactory factory) {
  registry().add(std::move(name), std::move(description), std::move(factory));
}

std::vector<TrainHookInfo> registered_train_hooks() { return registry().list(); }

}  // namespace secateur
