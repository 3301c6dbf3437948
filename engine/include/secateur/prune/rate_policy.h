// RatePolicy: which part of each space's channels a round removes, from the scores. A new policy is a file in
// prune/rates/ and one line in its registry, or, from outside the project, a call of register_rate_policy.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/prune/prune_options.h"

namespace secateur {

// One prunable space with its scores, in the order l = 1..L. What a round's scoring pass leaves for the
// decisions.
struct SpaceScores {
  std::string name;
  std::vector<std::string>
      producers;  // names of the nodes that make its channels, the first of which names it
  std::int64_t width = 0;
  std::int64_t groups = 1;
  std::vector<double> scores;  // one a channel, higher is kept
  // Every channel but the last to stay, in the order in which they would go (prune/selection.h), and each
  // one's score when its turn came.
  std::vector<std::int64_t> order;
  std::vector<double> order_scores;
  bool operator==(const SpaceScores&) const = default;
};

// Imp(l): the mean score of a space.
[[nodiscard]] double importance_of(const SpaceScores& space);

struct RatePolicyOptions {
  double rate = 0.3;                    // psi
  std::vector<std::string> table = {};  // "GLOB=RATE"
  double max_space_rate = 0.9;
};
[[nodiscard]] RatePolicyOptions rate_policy_options(const PruneOptions& options);

class RatePolicy {
 public:
  virtual ~RatePolicy() = default;
  // One rate in [0, 1] a space.
  [[nodiscard]] virtual std::vector<double> rates(std::span<const SpaceScores> spaces) const = 0;
};

//   eq18         psi (1 - Imp(l) / max Imp) (1 - l / (2 L)); all 0 where max Imp is 0
//   importance   psi (1 - Imp(l) / max Imp): eq18 without its depth factor
//   depth        psi (1 - l / (2 L))
//   uniform      psi
//   global       one threshold over all spaces, which psi of all channels lie below; no space loses more than
//                max_space_rate
//   fixed        from the table; 0 where nothing matches
//   sensitivity  in proportion to the table (what each space tolerates alone), so that psi of all channels
//   go, but
//                none of it beyond its entry
//   cie          from several "GLOB=RATE@LOSS" a space (what it loses alone at each rate): the least
//   tolerance
//                at which the largest rates within it remove psi of all channels; all that the table allows
//                where none does
using RatePolicyFactory = std::function<std::unique_ptr<RatePolicy>(const RatePolicyOptions&)>;

// Throws Error that lists the policies.
[[nodiscard]] std::unique_ptr<RatePolicy> make_rate_policy(std::string_view name,
                                                           const RatePolicyOptions& options);
// Throws Error when the name is taken.
void register_rate_policy(std::string name, std::string description, RatePolicyFactory factory);

struct RatePolicyInfo {
  std::string name;
  std::string description;
};
[[nodiscard]] std::vector<RatePolicyInfo> registered_rate_policies();

}  // namespace secateur
