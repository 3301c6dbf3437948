// bn_scale: |gamma| of the batch norm after the filters (Liu et al. 2017, "network slimming").
#include "prune/criteria/criteria.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

class BnScaleCriterion final : public Criterion {
 public:
  explicit BnScaleCriterion(ProducerReduction reduction) : reduction_(reduction) {}
  CriterionNeeds needs() const override { return {.norm_scales = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    require(!space.norm_scales.empty(),
            "criterion 'bn_scale' needs a batch norm after '{}', and there is none: choose another one or "
            "keep the layer",
            space.name);
    return reduced(space.norm_scales, reduction_);
  }

 private:
  ProducerReduction reduction_;
};

}  // namespace

std::unique_ptr<Criterion> make_bn_scale_criterion(const CriterionOptions& options) {
  return std::make_unique<BnScaleCriterion>(options.reduction);
}

}  // namespace secateur
