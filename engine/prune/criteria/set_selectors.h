// Selectors that look at sets of filters instead of one score each. Each gives an order of removal, least
// needed first, of which any beginning is the selector's own choice of so many; as scores it is the place in
// that order, from 0 to 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace secateur {

// The place of each member in the order, divided by the last place; 1 for a single member.
[[nodiscard]] std::vector<double> order_as_scores(const std::vector<std::size_t>& order);

struct MemberPair {
  std::size_t a, b;  // a < b
  double distance;
};
// All pairs of `count` members by distance [count, count], nearest first; of equal distances the one of lower
// indices first.
[[nodiscard]] std::vector<MemberPair> sorted_pairs(const std::vector<double>& distances, std::size_t count);

// both_alive: a pair takes one of its members away while both live. any: whether the other one lives or not.
enum class PairRule : std::uint8_t { both_alive, any };

// Pairs by distance [n, n], nearest first; of a pair the less important member goes (of equal ones the
// later).
[[nodiscard]] std::vector<std::size_t> pair_order(const std::vector<double>& distances,
                                                  const std::vector<double>& importance,
                                                  PairRule rule = PairRule::both_alive);

// Hierarchical agglomerative clustering of n members by distances [n, n], average linkage, up to distances of
// `cut`. Members ascend within a cluster.
[[nodiscard]] std::vector<std::vector<std::size_t>> average_linkage(std::vector<double> distances,
                                                                    std::size_t count, double cut);

// Clusters from the least to the most important (by the mean of their members); inside one by ascending
// importance, but for the last, which goes only when all clusters are down to one.
[[nodiscard]] std::vector<std::size_t> cluster_walk(std::vector<std::vector<std::size_t>> clusters,
                                                    const std::vector<double>& importance);

}  // namespace secateur
