// depth and uniform: rates that no score moves.
#include "prune/rates/rates.h"

namespace secateur {
namespace {

class DepthPolicy final : public RatePolicy {
 public:
  explicit DepthPolicy(double rate) : rate_(rate) {}
  std::vector<double> rates(std::span<const SpaceScores> spaces) const override {
    std::vector<double> result;
    for (std::size_t l = 0; l < spaces.size(); ++l) result.push_back(rate_ * depth_factor(l, spaces.size()));
    return result;
  }

 private:
  double rate_;
};

class UniformPolicy final : public RatePolicy {
 public:
  explicit UniformPolicy(double rate) : rate_(rate) {}
  std::vector<double> rates(std::span<const SpaceScores> spaces) const override {
    return std::vector<double>(spaces.size(), rate_);
  }

 private:
  double rate_;
};

}  // namespace

std::unique_ptr<RatePolicy> make_depth_policy(const RatePolicyOptions& options) {
  return std::make_unique<DepthPolicy>(options.rate);
}

std::unique_ptr<RatePolicy> make_uniform_policy(const RatePolicyOptions& options) {
  return std::make_unique<UniformPolicy>(options.rate);
}

}  // namespace secateur
