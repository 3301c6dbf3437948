// apoz: the part of a map's positions that are not zero after the ReLU (Hu et al. 2016, one minus their
// average percentage of zeros). activation: the mean of a map over images and positions (Molchanov et al.
// 2017, Sec. 2.2).
#include "prune/criteria/criteria.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

void require_measured(const std::vector<double>& values, const SpaceStatistics& space,
                      const char* criterion) {
  require(static_cast<std::int64_t>(values.size()) == space.width,
          "criterion {} needs the activations of '{}', which were not measured", criterion, space.name);
}

class ApozCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.activations = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    require_measured(space.zero_fraction, space, "apoz");
    std::vector<double> active = space.zero_fraction;
    for (double& value : active) value = 1.0 - value;
    return min_max_normalized(active);
  }
};

class ActivationCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.activations = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    require_measured(space.mean_activation, space, "activation");
    return min_max_normalized(space.mean_activation);
  }
};

}  // namespace

std::unique_ptr<Criterion> make_apoz_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<ApozCriterion>();
}

std::unique_ptr<Criterion> make_activation_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<ActivationCriterion>();
}

}  // namespace secateur
