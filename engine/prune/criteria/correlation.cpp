// correlation: 1 - PChat alone, how unlike the other maps of its space a map is.
#include "prune/criteria/criteria.h"

namespace secateur {
namespace {

class CorrelationCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.redundancy = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    std::vector<double> scores = min_max_normalized(space.redundancy);
    for (double& score : scores) score = 1.0 - score;
    return scores;
  }
};

}  // namespace

std::unique_ptr<Criterion> make_correlation_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<CorrelationCriterion>();
}

}  // namespace secateur
