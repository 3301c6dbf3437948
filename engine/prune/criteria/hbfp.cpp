// hbfp: of the two filters whose l1 norms ran most alike over the epochs since the last removal, D_ij = sum
// over epochs of |n_i - n_j|, one goes, and so on through the pairs (Basha et al., History Based Filter
// Pruning, 2024). Intended: of a pair, while both live, the one of smaller summed norm. Official, as in the
// authors' code: the one of larger summed norm, whether the other lives or not. The regulariser that drives
// the pairs together between rounds is the training hook of the same name. Scores are places in the order, so
// that all layers look alike: for rate policies that do not compare them.
#include "prune/criteria/criteria.h"
#include "prune/criteria/set_selectors.h"
#include "prune/norm_distances.h"

namespace secateur {
namespace {

class HbfpCriterion final : public Criterion {
 public:
  explicit HbfpCriterion(QuirkMode quirks) : official_(quirks == QuirkMode::official) {}
  CriterionNeeds needs() const override { return {.filter_norms = true, .norm_history = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    auto [distances, sums] = norm_distances(space);
    if (official_) {
      for (double& sum : sums) sum = -sum;
    }
    return order_as_scores(pair_order(distances, sums, official_ ? PairRule::any : PairRule::both_alive));
  }

 private:
  bool official_;
};

}  // namespace

std::unique_ptr<Criterion> make_hbfp_criterion(const CriterionOptions& options) {
  return std::make_unique<HbfpCriterion>(options.quirks);
}

}  // namespace secateur
