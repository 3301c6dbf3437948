// lamp: the squared norm of a channel's filters over the sum of the squared norms that are no smaller, in its
// layer (Lee et al. 2021, Eq. 1, for filters instead of single weights). Comparable between layers as it is,
// so that it is meant for the rate policy `global`, and not normalised again.
#include <algorithm>
#include <numeric>

#include "prune/criteria/criteria.h"

namespace secateur {
namespace {

class LampCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.filter_norms = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    std::vector<double> squares(static_cast<std::size_t>(space.width), 0.0);
    for (const FilterStatistics& producer : space.producers) {
      for (std::size_t i = 0; i < squares.size(); ++i) squares[i] += producer.l2[i] * producer.l2[i];
    }
    std::vector<std::size_t> descending(squares.size());
    std::iota(descending.begin(), descending.end(), std::size_t{0});
    // Equal norms: the later index counts as the smaller one, so that the order is always the same.
    std::ranges::stable_sort(descending,
                             [&](std::size_t a, std::size_t b) { return squares[a] > squares[b]; });
    std::vector<double> scores(squares.size(), 0.0);
    double sum = 0;
    for (const std::size_t i : descending) {
      sum += squares[i];
      scores[i] = sum > 0 ? squares[i] / sum : 0.0;
    }
    return scores;
  }
};

}  // namespace

std::unique_ptr<Criterion> make_lamp_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<LampCriterion>();
}

}  // namespace secateur
