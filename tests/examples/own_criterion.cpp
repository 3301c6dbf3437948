// How to add a criterion: a class that scores the channels of a space from its statistics, and a name.
// Here: the variance of a filter's weights, so that a filter of equal weights goes first.
#include <cstdio>

#include "secateur/prune/criterion.h"

using namespace secateur;

namespace {

class WeightVariance final : public Criterion {
 public:
  // The weights themselves are read only where a criterion asks for them.
  [[nodiscard]] CriterionNeeds needs() const override { return {.filters = true}; }

  // One score a channel; higher is kept. Scores of one space are brought to 0..1, so that spaces compare.
  [[nodiscard]] std::vector<double> score(const SpaceStatistics& space,
                                          const CriterionContext& /*context*/) const override {
    std::vector<double> scores(static_cast<std::size_t>(space.width));
    for (const FilterStatistics& producer : space.producers) {
      const auto n = static_cast<std::size_t>(producer.weights_per_filter);
      for (std::size_t channel = 0; channel < scores.size(); ++channel) {
        double sum = 0;
        double squares = 0;
        for (std::size_t i = 0; i < n; ++i) {
          const double weight = producer.weights[channel * n + i];
          sum += weight;
          squares += weight * weight;
        }
        const double mean = sum / static_cast<double>(n);
        scores[channel] += squares / static_cast<double>(n) - mean * mean;
      }
    }
    return min_max_normalized(scores);
  }
};

}  // namespace

int main() {
  register_criterion("weight-variance", "variance of a filter's weights",
                     [](const CriterionOptions& /*options*/) { return std::make_unique<WeightVariance>(); });

  // From here on PruneOptions::criterion and make_criterion() know the name. Two filters of two weights:
  SpaceStatistics space;
  space.width = 2;
  space.producers.push_back(
      {.node = "conv1", .weights_per_filter = 2, .l1 = {}, .l2 = {}, .weights = {1, 1, -1, 1}});
  const std::vector<double> scores = make_criterion("weight-variance", {})->score(space, {});
  std::printf("%g %g\n", scores[0], scores[1]);
  return scores == std::vector<double>{0, 1} ? 0 : 1;
}
