#include "prune/norm_distances.h"

#include <cmath>

namespace secateur {

NormDistances norm_distances(const SpaceStatistics& space) {
  const auto count = static_cast<std::size_t>(space.width);
  NormDistances result{std::vector<double>(count * count, 0.0), std::vector<double>(count, 0.0)};
  const auto add = [&](const std::vector<double>& norms) {
    for (std::size_t a = 0; a < count; ++a) {
      result.sums[a] += norms[a];
      for (std::size_t b = 0; b < count; ++b) {
        result.distances[a * count + b] += std::abs(norms[a] - norms[b]);
      }
    }
  };
  for (const FilterStatistics& producer : space.producers) {
    for (const std::vector<double>& epoch : producer.l1_history) add(epoch);
    if (producer.l1_history.empty()) add(producer.l1);
  }
  return result;
}

}  // namespace secateur
