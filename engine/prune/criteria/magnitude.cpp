// l1 and l2: the size of a filter's weights alone (Li et al. 2017).
#include <algorithm>
#include <cmath>

#include "prune/criteria/criteria.h"
#include "secateur/core/error.h"

namespace secateur {

std::vector<double> reduced(const std::vector<std::vector<double>>& of_producer,
                            ProducerReduction reduction) {
  require(!of_producer.empty(), "a channel space has at least one producer");
  std::vector<double> result = min_max_normalized(of_producer.front());
  for (std::size_t p = 1; p < of_producer.size(); ++p) {
    const std::vector<double> values = min_max_normalized(of_producer[p]);
    for (std::size_t i = 0; i < result.size(); ++i) {
      switch (reduction) {
        case ProducerReduction::max:
          result[i] = std::max(result[i], values[i]);
          break;
        case ProducerReduction::min:
          result[i] = std::min(result[i], values[i]);
          break;
        case ProducerReduction::mean:  // the sum, but for a factor that the normalisation below takes out
        case ProducerReduction::sum:
          result[i] += values[i];
          break;
      }
    }
  }
  return min_max_normalized(result);
}

std::vector<double> normalized_magnitude(const SpaceStatistics& space, ProducerReduction reduction) {
  std::vector<std::vector<double>> means;
  for (const FilterStatistics& producer : space.producers) {
    std::vector<double>& values = means.emplace_back(producer.l1);
    for (double& value : values) value /= static_cast<double>(producer.weights_per_filter);
  }
  return reduced(means, reduction);
}

namespace {

class L1Criterion final : public Criterion {
 public:
  explicit L1Criterion(ProducerReduction reduction) : reduction_(reduction) {}
  CriterionNeeds needs() const override { return {.filter_norms = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    return normalized_magnitude(space, reduction_);
  }

 private:
  ProducerReduction reduction_;
};

class L2Criterion final : public Criterion {
 public:
  explicit L2Criterion(ProducerReduction reduction) : reduction_(reduction) {}
  CriterionNeeds needs() const override { return {.filter_norms = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    std::vector<std::vector<double>> norms;
    for (const FilterStatistics& producer : space.producers) norms.push_back(producer.l2);
    return reduced(norms, reduction_);
  }

 private:
  ProducerReduction reduction_;
};

}  // namespace

std::unique_ptr<Criterion> make_l1_criterion(const CriterionOptions& options) {
  return std::make_unique<L1Criterion>(options.reduction);
}

std::unique_ptr<Criterion> make_l2_criterion(const CriterionOptions& options) {
  return std::make_unique<L2Criterion>(options.reduction);
}

}  // namespace secateur
