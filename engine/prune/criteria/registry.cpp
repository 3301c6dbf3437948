#include "prune/criteria/criteria.h"
#include "prune/factory_registry.h"

namespace secateur {
namespace {

auto& registry() {
  static FactoryRegistry<CriterionInfo, CriterionFactory> instance(
      "criterion",
      {
          {{"unified", "alpha * magnitude + beta * (1 - redundancy), the paper's"}, make_unified_criterion},
          {{"l1", "mean absolute weight of a filter"}, make_l1_criterion},
          {{"l2", "Euclidean norm of a filter"}, make_l2_criterion},
          {{"correlation", "how unlike the other feature maps a map is"}, make_correlation_criterion},
          {{"bn_scale", "absolute scale of the batch norm that follows"}, make_bn_scale_criterion},
          {{"taylor", "first-order change of the loss when a map is zeroed"}, make_taylor_criterion},
          {{"fpgm", "distance from the other filters of the layer"}, make_geometric_median_criterion},
          {{"lamp", "squared norm against the larger ones of the layer; for the rate policy global"},
           make_lamp_criterion},
          {{"capped_l1", "mean absolute weight, once whole and once capped (from a description)"},
           make_capped_l1_criterion},
          {{"apoz", "part of a map that is not zero"}, make_apoz_criterion},
          {{"activation", "mean of a map"}, make_activation_criterion},
          {{"hrank", "rank of a map as a matrix"}, make_hrank_criterion},
          {{"entropy", "entropy of a map's values (from a description)"}, make_entropy_criterion},
          {{"group_norm",
            "squared weights of all that a channel touches (DepGraph); for the rate policy global"},
           make_group_norm_criterion},
          {{"snip", "sum of |weight * gradient| over a filter; for the rate policy global"},
           make_snip_criterion},
          {{"obd", "second-order change of the loss by the empirical Fisher; for the rate policy global"},
           make_obd_criterion},
          {{"corrnet", "pairs of most correlated maps, one of each goes (from a description)"},
           make_corrnet_criterion},
          {{"prf", "clusters of filters by angle, thinned from the least important (from a description)"},
           make_prf_criterion},
          {{"hbfp",
            "pairs of filters whose norms ran alike over the epochs, one of each goes (from a description)"},
           make_hbfp_criterion},
          {{"lfpc", "l1, l2 or fpgm, whichever a sampler learns to be best for a layer (from a description)"},
           make_lfpc_criterion},
          {{"filter_sketch", "no selection: the filters that stay become a sketch of all; for one round"},
           make_filter_sketch_criterion},
          {{"random", "uniform random numbers, the control"}, make_random_criterion},
      });
  return instance;
}

}  // namespace

std::unique_ptr<Criterion> make_criterion(std::string_view name, const CriterionOptions& options) {
  return registry().find(name)(options);
}

void register_criterion(std::string name, std::string description, CriterionFactory factory) {
  registry().add(std::move(name), std::move(description), std::move(factory));
}

std::vector<CriterionInfo> registered_criteria() { return registry().list(); }

}  // namespace secateur
