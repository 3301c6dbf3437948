// Statistics of paired numbers.
#pragma once

#include <vector>

namespace secateur::experiments {

// Spearman's rank correlation, equal values sharing the mean of their ranks. 0 where either side does not
// vary. Throws Error for different lengths or fewer than two pairs.
[[nodiscard]] double rank_correlation(const std::vector<double>& a, const std::vector<double>& b);

// Root mean square of a - b after each was scaled to [0, 1] (zeros where it does not vary).
[[nodiscard]] double scaled_error(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace secateur::experiments
