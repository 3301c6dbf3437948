// The rate policies that come with the engine.
#pragma once

#include <memory>

#include "secateur/prune/rate_policy.h"

namespace secateur {

[[nodiscard]] std::unique_ptr<RatePolicy> make_eq18_policy(const RatePolicyOptions& options);
[[nodiscard]] std::unique_ptr<RatePolicy> make_importance_policy(const RatePolicyOptions& options);
[[nodiscard]] std::unique_ptr<RatePolicy> make_depth_policy(const RatePolicyOptions& options);
[[nodiscard]] std::unique_ptr<RatePolicy> make_uniform_policy(const RatePolicyOptions& options);
[[nodiscard]] std::unique_ptr<RatePolicy> make_global_policy(const RatePolicyOptions& options);
[[nodiscard]] std::unique_ptr<RatePolicy> make_fixed_policy(const RatePolicyOptions& options);
[[nodiscard]] std::unique_ptr<RatePolicy> make_sensitivity_policy(const RatePolicyOptions& options);
[[nodiscard]] std::unique_ptr<RatePolicy> make_cie_policy(const RatePolicyOptions& options);

// 1 - l / (2 L) for the space at `index` = l - 1 of `count` = L.
[[nodiscard]] inline double depth_factor(std::size_t index, std::size_t count) {
  return 1.0 - static_cast<double>(index + 1) / (2.0 * static_cast<double>(count));
}

}  // namespace secateur
