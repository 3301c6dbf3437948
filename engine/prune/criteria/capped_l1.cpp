// capped_l1: (||F||_1 + sum of min(|w|, theta)) / d, theta the 0.75-quantile of |w| in the layer. From the
// description of Kumar et al. 2021, whose constants are not public: a reading, not the authors' formula.
#include <algorithm>
#include <cmath>

#include "prune/criteria/criteria.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

constexpr double kQuantile = 0.75;

std::vector<double> capped_magnitude(const FilterStatistics& producer) {
  require(!producer.weights.empty(), "criterion capped_l1 needs the filters of '{}', which were not measured",
          producer.node);
  std::vector<double> sizes = producer.weights;
  for (double& size : sizes) size = std::abs(size);
  std::vector<double> sorted = sizes;
  const auto middle =
      sorted.begin() + static_cast<std::ptrdiff_t>(kQuantile * static_cast<double>(sorted.size() - 1));
  std::ranges::nth_element(sorted, middle);
  const double cap = *middle;
  const auto length = static_cast<std::size_t>(producer.weights_per_filter);
  std::vector<double> scores(sizes.size() / length, 0.0);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    scores[i / length] += (sizes[i] + std::min(sizes[i], cap)) / static_cast<double>(length);
  }
  return scores;
}

class CappedL1Criterion final : public Criterion {
 public:
  explicit CappedL1Criterion(ProducerReduction reduction) : reduction_(reduction) {}
  CriterionNeeds needs() const override { return {.filters = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    std::vector<std::vector<double>> sizes;
    for (const FilterStatistics& producer : space.producers) sizes.push_back(capped_magnitude(producer));
    return reduced(sizes, reduction_);
  }

 private:
  ProducerReduction reduction_;
};

}  // namespace

std::unique_ptr<Criterion> make_capped_l1_criterion(const CriterionOptions& options) {
  return std::make_unique<CappedL1Criterion>(options.reduction);
}

}  // namespace secateur
