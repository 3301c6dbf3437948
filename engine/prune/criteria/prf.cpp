// prf: filters of a layer are clustered by their cosine distance (hierarchical, agglomerative); from the
// least to the most important cluster, by the mean l1 of its filters, the filters of least l1 go, and each
// cluster keeps one until all are down to one (PRF, 2024). From a description: linkage and cut are not
// public. Here average linkage is cut at the mean distance of the layer's pairs. The filters of a channel
// with several producers count as one long filter. Scores are places in the order, so that all layers look
// alike: for rate policies that do not compare them.
#include <cmath>
#include <numeric>

#include "prune/criteria/criteria.h"
#include "prune/criteria/set_selectors.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

// Inner products of the channels' filters, over all producers.
std::vector<double> gram(const SpaceStatistics& space) {
  const auto count = static_cast<std::size_t>(space.width);
  std::vector<double> products(count * count, 0.0);
  for (const FilterStatistics& producer : space.producers) {
    require(!producer.weights.empty(), "criterion prf needs the filters of '{}', which were not measured",
            producer.node);
    const auto length = static_cast<std::size_t>(producer.weights_per_filter);
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = a; b < count; ++b) {
        const auto first = producer.weights.begin() + static_cast<std::ptrdiff_t>(a * length);
        const auto second = producer.weights.begin() + static_cast<std::ptrdiff_t>(b * length);
        products[a * count + b] +=
            std::inner_product(first, first + producer.weights_per_filter, second, 0.0);
        products[b * count + a] = products[a * count + b];
      }
    }
  }
  return products;
}

// 1 - cosine. A dead filter is unlike every other but like another dead one.
std::vector<double> cosine_distances(const SpaceStatistics& space) {
  const auto count = static_cast<std::size_t>(space.width);
  const std::vector<double> products = gram(space);
  std::vector<double> distances(products.size(), 0.0);
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b < count; ++b) {
      const double norm_a = products[a * count + a];
      const double norm_b = products[b * count + b];
      double& distance = distances[a * count + b];
      if (a == b || (!(norm_a > 0) && !(norm_b > 0))) continue;
      distance = norm_a > 0 && norm_b > 0 ? 1.0 - products[a * count + b] / std::sqrt(norm_a * norm_b) : 1.0;
    }
  }
  return distances;
}

class PrfCriterion final : public Criterion {
 public:
  CriterionNeeds needs() const override { return {.filter_norms = true, .filters = true}; }
  std::vector<double> score(const SpaceStatistics& space,
                            const CriterionContext& /*context*/) const override {
    const auto count = static_cast<std::size_t>(space.width);
    const std::vector<double> distances = cosine_distances(space);
    const double sum = std::accumulate(distances.begin(), distances.end(), 0.0);
    const double cut = count > 1 ? sum / static_cast<double>(count * (count - 1)) : 0.0;
    std::vector<double> importance(count, 0.0);
    for (const FilterStatistics& producer : space.producers) {
      for (std::size_t i = 0; i < count; ++i) importance[i] += producer.l1[i];
    }
    return order_as_scores(cluster_walk(average_linkage(distances, count, cut), importance));
  }
};

}  // namespace

std::unique_ptr<Criterion> make_prf_criterion(const CriterionOptions& /*options*/) {
  return std::make_unique<PrfCriterion>();
}

}  // namespace secateur
