// filter_sketch: which channels go does not matter, since those that stay are rewritten
// (prune/filter_sketch.h, Lin et al. 2021): the last ones go. Where several layers share channels this is a
// plain removal. For rate policies that do not compare layers, and one round: each removal starts batch norms
// anew.
#include <numeric>

#include "prune/criteria/criteria.h"
#include "prune/criteria/set_selectors.h"

namespace secateur {
namespace {

class FilterSketchCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    std::vector<std::size_t> order(static_cast<std::size_t>(space.width));
    std::iota(order.rbegin(), order.rend(), std::size_t{0});
    return order_as_scores(order);
  }
  WeightEdit edit() const override { return WeightEdit::sketch; }
};

}  // namespace

std::unique_ptr<Criterion> make_filter_sketch_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<FilterSketchCriterion>();
}

}  // namespace secateur
