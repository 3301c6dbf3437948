// corrnet: of the two most alike feature maps the one that is more alike to all goes, and so on through the
// pairs. Likeness is the correlation of two maps, averaged over the images (Kumar et al., CorrNet, 2022).
// From a description: their threshold, by a symmetrical uncertainty, is not public; how many go is the rate's
// business. In contrast to `correlation`, of two duplicates one stays. Scores are places in the order, so
// that all layers look alike: for rate policies that do not compare them.
#include "prune/criteria/criteria.h"
#include "prune/criteria/set_selectors.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

class CorrNetCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.redundancy = true, .pairwise = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    require(static_cast<std::int64_t>(space.pairwise.size()) == space.width * space.width &&
                static_cast<std::int64_t>(space.redundancy.size()) == space.width,
            "criterion corrnet needs the correlation of every pair of maps of '{}', which was not measured",
            space.name);
    std::vector<double> distances;
    for (const double rho : space.pairwise) distances.push_back(1.0 - rho);
    std::vector<double> importance;
    for (const double redundancy : space.redundancy) importance.push_back(-redundancy);
    return order_as_scores(pair_order(distances, importance));
  }
};

}  // namespace

std::unique_ptr<Criterion> make_corrnet_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<CorrNetCriterion>();
}

}  // namespace secateur
