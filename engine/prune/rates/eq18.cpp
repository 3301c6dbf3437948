#include <algorithm>
#include <numeric>

#include "prune/rates/rates.h"

namespace secateur {
namespace {

// Eq. 18, with or without its last factor.
class Eq18Policy final : public RatePolicy {
 public:
  Eq18Policy(double rate, bool by_depth) : rate_(rate), by_depth_(by_depth) {}
  std::vector<double> rates(std::span<const SpaceScores> spaces) const override {
    std::vector<double> importance;
    for (const SpaceScores& space : spaces) importance.push_back(importance_of(space));
    std::vector<double> result(spaces.size(), 0.0);
    const double highest = importance.empty() ? 0.0 : *std::ranges::max_element(importance);
    if (!(highest > 0)) return result;
    for (std::size_t l = 0; l < spaces.size(); ++l) {
      result[l] =
          rate_ * (1.0 - importance[l] / highest) * (by_depth_ ? depth_factor(l, spaces.size()) : 1.0);
    }
    return result;
  }

 private:
  double rate_;
  bool by_depth_;
};

}  // namespace

double importance_of(const SpaceScores& space) {
  if (space.scores.empty()) return 0;
  return std::accumulate(space.scores.begin(), space.scores.end(), 0.0) /
         static_cast<double>(space.scores.size());
}

std::unique_ptr<RatePolicy> make_eq18_policy(const RatePolicyOptions& options) {
  return std::make_unique<Eq18Policy>(options.rate, true);
}

std::unique_ptr<RatePolicy> make_importance_policy(const RatePolicyOptions& options) {
  return std::make_unique<Eq18Policy>(options.rate, false);
}

}  // namespace secateur
