// snip: connection sensitivity, the sum over a filter of |w * dL/dw|, L the mean loss over the sample (Lee et
// al., ICLR 2019, for filters; their division by the sum over the network changes no order and is left out).
// obd: the second-order change of the loss when a filter is zeroed, sum over its weights of h w^2 / 2 (LeCun
// et al., Optimal Brain Damage, 1990) with the diagonal of the empirical Fisher matrix, the mean over the
// images of the square of each one's gradient, for the Hessian's (Theis et al. 2018).
// Both are changes of one loss: producers of a space add up, layers compare, nothing is normalised.
#include <cmath>

#include "prune/criteria/criteria.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

using OfWeight = double (*)(double weight, double statistic);

// Sum over a filter's weights, and over the producers, of `of_weight(weight, statistic)`.
std::vector<double> summed(const SpaceStatistics& space, std::vector<double> FilterStatistics::*statistic,
                           std::string_view criterion, OfWeight of_weight) {
  std::vector<double> sums(static_cast<std::size_t>(space.width), 0.0);
  for (const FilterStatistics& producer : space.producers) {
    const std::vector<double>& values = producer.*statistic;
    require(!values.empty() && values.size() == producer.weights.size(),
            "criterion {} needs the gradients of the weights of '{}', which were not measured", criterion,
            producer.node);
    const auto length = static_cast<std::size_t>(producer.weights_per_filter);
    for (std::size_t w = 0; w < values.size(); ++w) {
      sums[w / length] += of_weight(producer.weights[w], values[w]);
    }
  }
  return sums;
}

class SnipCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.filters = true, .weight_gradients = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    return summed(space, &FilterStatistics::gradients, "snip",
                  [](double weight, double gradient) { return std::abs(weight * gradient); });
  }
};

class ObdCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.filters = true, .weight_fisher = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    return summed(space, &FilterStatistics::squared_gradients, "obd",
                  [](double weight, double fisher) { return 0.5 * fisher * weight * weight; });
  }
};

}  // namespace

std::unique_ptr<Criterion> make_snip_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<SnipCriterion>();
}

std::unique_ptr<Criterion> make_obd_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<ObdCriterion>();
}

}  // namespace secateur
