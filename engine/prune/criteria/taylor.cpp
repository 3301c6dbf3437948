// taylor: |activation * gradient|, the first-order change of the loss when a map is zeroed (Molchanov et al.
// 2017).
#include "prune/criteria/criteria.h"

namespace secateur {
namespace {

class TaylorCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.gradients = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    return min_max_normalized(space.taylor);
  }
};

}  // namespace

std::unique_ptr<Criterion> make_taylor_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<TaylorCriterion>();
}

}  // namespace secateur
