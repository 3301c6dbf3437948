// fpgm: how far a filter is from the others of its layer, sum over j of ||F_i - F_j||_2; what lies near the
// geometric median can be represented by the rest (He et al. 2019, Eq. 7).
#include <cmath>

#include "prune/criteria/criteria.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

std::vector<double> summed_distances(const FilterStatistics& producer) {
  const auto length = static_cast<std::size_t>(producer.weights_per_filter);
  require(!producer.weights.empty(), "criterion fpgm needs the filters of '{}', which were not measured",
          producer.node);
  const std::size_t count = producer.weights.size() / length;
  std::vector<double> sums(count, 0.0);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = i + 1; j < count; ++j) {
      double square = 0;
      for (std::size_t k = 0; k < length; ++k) {
        const double difference = producer.weights[i * length + k] - producer.weights[j * length + k];
        square += difference * difference;
      }
      sums[i] += std::sqrt(square);
      sums[j] += std::sqrt(square);
    }
  }
  return sums;
}

class GeometricMedianCriterion final : public Criterion {
 public:
  explicit GeometricMedianCriterion(ProducerReduction reduction) : reduction_(reduction) {}
  CriterionNeeds needs() const override { return {.filters = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    std::vector<std::vector<double>> distances;
    for (const FilterStatistics& producer : space.producers) distances.push_back(summed_distances(producer));
    return reduced(distances, reduction_);
  }

 private:
  ProducerReduction reduction_;
};

}  // namespace

std::unique_ptr<Criterion> make_geometric_median_criterion(const CriterionOptions& options) {
  return std::make_unique<GeometricMedianCriterion>(options.reduction);
}

}  // namespace secateur
