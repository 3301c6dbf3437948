// hbfp: of the two filters whose l1 norms ran most alike over the epochs since the last removal, D_ij = sum
// over epochs of |n_i - n_j|, one goes, and so on through the pairs (Basha et al., History Based Filter
// Pruning, 2024). Intended: of a pair, while both live, the one of smaller summed norm. Official, as in the
// authors' code: the one of larger summed norm, whether the other lives or not. The regulariser that drives
// the pairs together between rounds is a matter of training and not here. Without a recorded epoch the norms
// as they are stand for the history. Scores are places in the order, so that all layers look alike: for rate
// policies that do not compare them.
#include <cmath>

#include "prune/criteria/criteria.h"
#include "prune/criteria/set_selectors.h"

namespace secateur {
namespace {

class HbfpCriterion final : public Criterion {
 public:
  explicit HbfpCriterion(QuirkMode quirks) : official_(quirks == QuirkMode::official) {}
  CriterionNeeds needs() const override { return {.filter_norms = true, .norm_history = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    const auto count = static_cast<std::size_t>(space.width);
    std::vector<double> distances(count * count, 0.0);
    std::vector<double> sums(count, 0.0);
    const auto add = [&](const std::vector<double>& norms) {
      for (std::size_t a = 0; a < count; ++a) {
        sums[a] += norms[a];
        for (std::size_t b = 0; b < count; ++b) distances[a * count + b] += std::abs(norms[a] - norms[b]);
      }
    };
    for (const FilterStatistics& producer : space.producers) {
      for (const std::vector<double>& epoch : producer.l1_history) add(epoch);
      if (producer.l1_history.empty()) add(producer.l1);
    }
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
