#include "experiments/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/prune/statistics.h"

namespace secateur::experiments {
namespace {

void require_pairs(const std::vector<double>& a, const std::vector<double>& b) {
  require(a.size() == b.size() && a.size() >= 2, "expected two or more pairs, got {} and {} values", a.size(),
          b.size());
}

std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last + 1 < order.size() && values[order[last + 1]] == values[order[first]]) ++last;
    for (std::size_t i = first; i <= last; ++i) ranks[order[i]] = 0.5 * static_cast<double>(first + last);
    first = last + 1;
  }
  return ranks;
}

}  // namespace

double rank_correlation(const std::vector<double>& a, const std::vector<double>& b) {
  require_pairs(a, b);
  const std::vector<double> x = ranks_of(a);
  const std::vector<double> y = ranks_of(b);
  const double mean = 0.5 * static_cast<double>(a.size() - 1);  // of ranks, ties or not
  double xy = 0;
  double xx = 0;
  double yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

double scaled_error(const std::vector<double>& a, const std::vector<double>& b) {
  require_pairs(a, b);
  const std::vector<double> x = min_max_normalized(a);
  const std::vector<double> y = min_max_normalized(b);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return std::sqrt(sum / static_cast<double>(x.size()));
}

}  // namespace secateur::experiments
