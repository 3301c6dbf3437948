#include "prune/criteria/set_selectors.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "secateur/core/error.h"

namespace secateur {

std::vector<MemberPair> sorted_pairs(const std::vector<double>& distances, std::size_t count) {
  std::vector<MemberPair> pairs;
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = a + 1; b < count; ++b) pairs.push_back({a, b, distances[a * count + b]});
  }
  std::ranges::stable_sort(pairs, {}, &MemberPair::distance);
  return pairs;
}

std::vector<double> order_as_scores(const std::vector<std::size_t>& order) {
  std::vector<double> scores(order.size(), 1.0);
  for (std::size_t place = 0; place < order.size(); ++place) {
    if (order.size() > 1) {
      scores[order[place]] = static_cast<double>(place) / static_cast<double>(order.size() - 1);
    }
  }
  return scores;
}

std::vector<std::size_t> pair_order(const std::vector<double>& distances,
                                    const std::vector<double>& importance, PairRule rule) {
  const std::size_t count = importance.size();
  require(distances.size() == count * count, "expected the distances of {} pairs, got {}", count * count,
          distances.size());
  std::vector<bool> alive(count, true);
  std::vector<std::size_t> order;
  for (const MemberPair& pair : sorted_pairs(distances, count)) {
    const std::size_t goes = importance[pair.a] < importance[pair.b] ? pair.a : pair.b;
    const std::size_t stays = goes == pair.a ? pair.b : pair.a;
    if (!alive[goes] || (rule == PairRule::both_alive && !alive[stays])) continue;
    alive[goes] = false;
    order.push_back(goes);
  }
  // One is left: any two would have been a pair.
  for (std::size_t i = 0; i < count; ++i) {
    if (alive[i]) order.push_back(i);
  }
  return order;
}

std::vector<std::vector<std::size_t>> average_linkage(std::vector<double> distances, std::size_t count,
                                                      double cut) {
  std::vector<std::vector<std::size_t>> clusters;
  for (std::size_t i = 0; i < count; ++i) clusters.push_back({i});
  while (clusters.size() > 1) {
    // Distances of clusters stand at their first members.
    std::size_t left = 0;
    std::size_t right = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t a = 0; a < clusters.size(); ++a) {
      for (std::size_t b = a + 1; b < clusters.size(); ++b) {
        const double distance = distances[clusters[a].front() * count + clusters[b].front()];
        if (distance >= least) continue;
        least = distance;
        left = a;
        right = b;
      }
    }
    if (!(least <= cut)) break;
    const auto size_left = static_cast<double>(clusters[left].size());
    const auto size_right = static_cast<double>(clusters[right].size());
    const std::size_t kept = clusters[left].front();
    const std::size_t merged = clusters[right].front();
    for (const std::vector<std::size_t>& cluster : clusters) {
      const std::size_t other = cluster.front();
      if (other == kept || other == merged) continue;
      const double mean =
          (size_left * distances[kept * count + other] + size_right * distances[merged * count + other]) /
          (size_left + size_right);
      distances[kept * count + other] = mean;
      distances[other * count + kept] = mean;
    }
    std::vector<std::size_t>& target = clusters[left];
    target.insert(target.end(), clusters[right].begin(), clusters[right].end());
    clusters.erase(clusters.begin() + static_cast<std::ptrdiff_t>(right));
  }
  for (std::vector<std::size_t>& cluster : clusters) std::ranges::sort(cluster);
  return clusters;
}

std::vector<std::size_t> cluster_walk(std::vector<std::vector<std::size_t>> clusters,
                                      const std::vector<double>& importance) {
  const auto mean_of = [&](const std::vector<std::size_t>& cluster) {
    double sum = 0;
    for (const std::size_t i : cluster) sum += importance[i];
    return sum / static_cast<double>(cluster.size());
  };
  std::ranges::stable_sort(clusters, {}, mean_of);
  std::vector<std::size_t> order;
  std::vector<std::size_t> last;
  for (std::vector<std::size_t>& cluster : clusters) {
    std::ranges::stable_sort(cluster, {}, [&](std::size_t i) { return importance[i]; });
    order.insert(order.end(), cluster.begin(), cluster.end() - 1);
    last.push_back(cluster.back());
  }
  // Once every cluster is down to one, the representatives go by themselves, the least important cluster's
  // first.
  order.insert(order.end(), last.begin(), last.end());
  return order;
}

}  // namespace secateur
