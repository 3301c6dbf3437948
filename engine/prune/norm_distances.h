// How alike the l1 norms of a space's filters ran over the recorded epochs.
#pragma once

#include <vector>

#include "secateur/prune/statistics.h"

namespace secateur {

struct NormDistances {
  std::vector<double> distances;  // [n, n]: D_ij = sum over epochs and producers of |n_i - n_j|
  std::vector<double> sums;       // [n]: of the norms
};

// Without a recorded epoch the norms as they are stand for the history.
[[nodiscard]] NormDistances norm_distances(const SpaceStatistics& space);

}  // namespace secateur
