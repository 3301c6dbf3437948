#include <algorithm>
#include <cmath>

#include "prune/rates/rates.h"

namespace secateur {
namespace {

struct Candidate {
  double score;
  std::size_t space;
};

class GlobalPolicy final : public RatePolicy {
 public:
  GlobalPolicy(double rate, double max_space_rate) : rate_(rate), max_space_rate_(max_space_rate) {}

  // The lowest scores of the whole network go until psi of all channels are counted, a space that has reached
  // its bound being passed over.
  std::vector<double> rates(std::span<const SpaceScores> spaces) const override {
    std::vector<Candidate> candidates;
    for (std::size_t l = 0; l < spaces.size(); ++l) {
      for (const double score : spaces[l].scores) candidates.push_back({score, l});
    }
    std::ranges::stable_sort(candidates, {}, &Candidate::score);
    auto left = static_cast<std::int64_t>(std::floor(rate_ * static_cast<double>(candidates.size()) + 1e-9));
    std::vector<std::int64_t> removed(spaces.size(), 0);
    for (const Candidate& candidate : candidates) {
      if (left == 0) break;
      const auto width = static_cast<double>(spaces[candidate.space].scores.size());
      std::int64_t& count = removed[candidate.space];
      if (static_cast<double>(count + 1) > max_space_rate_ * width + 1e-9) continue;
      ++count;
      --left;
    }
    std::vector<double> result;
    for (std::size_t l = 0; l < spaces.size(); ++l) {
      const std::size_t width = spaces[l].scores.size();
      result.push_back(width == 0 ? 0.0 : static_cast<double>(removed[l]) / static_cast<double>(width));
    }
    return result;
  }

 private:
  double rate_;
  double max_space_rate_;
};

}  // namespace

std::unique_ptr<RatePolicy> make_global_policy(const RatePolicyOptions& options) {
  return std::make_unique<GlobalPolicy>(options.rate, options.max_space_rate);
}

}  // namespace secateur
