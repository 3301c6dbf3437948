// lfpc: each layer is pruned by l1, l2 or the distance to the other filters, whichever a sampler over the
// three learns to be best for the loss of the pruned network, all layers at once (He et al., LFPC, CVPR
// 2020). From a description: no code and no settings are public. What is learned by, prune/criterion_choice.h
// says.
#include "prune/criteria/criteria.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

class LfpcCriterion final : public Criterion {
 public:
  explicit LfpcCriterion(const CriterionOptions& options) {
    candidates_.push_back(make_l1_criterion(options));
    candidates_.push_back(make_l2_criterion(options));
    candidates_.push_back(make_geometric_median_criterion(options));
  }
  CriterionNeeds needs() const override { return {.filter_norms = true, .filters = true, .choice = true}; }
  std::vector<std::vector<double>> candidates(const SpaceStatistics& space,
                                              const CriterionContext& context) const override {
    std::vector<std::vector<double>> scores;
    for (const auto& candidate : candidates_) scores.push_back(candidate->score(space, context));
    return scores;
  }
  std::vector<double> score(const SpaceStatistics& space, const CriterionContext& context) const override {
    require(space.chosen >= 0 && space.chosen < static_cast<std::int64_t>(candidates_.size()),
            "criterion lfpc needs the choice of a criterion for '{}', which was not learned", space.name);
    return candidates_[static_cast<std::size_t>(space.chosen)]->score(space, context);
  }

 private:
  std::vector<std::unique_ptr<Criterion>> candidates_;
};

}  // namespace

std::unique_ptr<Criterion> make_lfpc_criterion(const CriterionOptions& options) {
  return std::make_unique<LfpcCriterion>(options);
}

}  // namespace secateur
