// unified: Eq. 13, S = alpha * L1hat + beta * (1 - PChat), both normalised per space (Eq. 12).
#include "prune/criteria/criteria.h"

namespace secateur {
namespace {

class UnifiedCriterion final : public Criterion {
 public:
  explicit UnifiedCriterion(ProducerReduction reduction) : reduction_(reduction) {}
  CriterionNeeds needs() const override { return {.filter_norms = true, .redundancy = true}; }
  std::vector<double> score(const SpaceStatistics& space, const CriterionContext& context) const override {
    const std::vector<double> magnitude = normalized_magnitude(space, reduction_);
    std::vector<double> scores = min_max_normalized(space.redundancy);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = context.alpha * magnitude[i] + context.beta * (1.0 - scores[i]);
    }
    return scores;
  }

 private:
  ProducerReduction reduction_;
};

}  // namespace

std::unique_ptr<Criterion> make_unified_criterion(const CriterionOptions& options) {
  return std::make_unique<UnifiedCriterion>(options.reduction);
}

}  // namespace secateur
