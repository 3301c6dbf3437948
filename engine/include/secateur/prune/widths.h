// WidthTracker: the target widths of the prunable spaces, kept as real numbers over the rounds, and how the
// stored widths follow them in whole channels.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "secateur/io/state_tree.h"
#include "secateur/prune/prune_options.h"
#include "secateur/prune/rate_policy.h"

namespace secateur {

// What a round's rates mean for one space.
struct WidthStep {
  std::int64_t before = 0;
  std::int64_t after = 0;   // stored width; with strict rounding where no scores are equal
  std::int64_t remove = 0;  // K: before - after, with strict rounding of Eq. 14 the rank of the threshold
  double target = 0;        // the real-valued width that is carried on
  bool operator==(const WidthStep&) const = default;
};

class WidthTracker {
 public:
  // The spaces as they are before the first round.
  WidthTracker(WidthOptions options, std::int64_t rounds, std::span<const SpaceScores> spaces);
  WidthTracker() = default;

  // Widths that the rates lead to in round `round` (1 .. rounds). `spaces` have the present widths.
  //   per_round   carry: w <- w (1 - r); ceil, strict: K = ceil(r N), N the present width
  //   cumulative  w = w(0) (1 - r t / T); ceil, strict: K = ceil(N - w)
  //   target      as per_round with (1 - r)^scale in place of (1 - r), scale from the budget
  // carry: the nearest multiple of the granule to w (half a granule up), never up past the present width.
  // Never below the lowest width.
  [[nodiscard]] std::vector<WidthStep> propose(std::span<const SpaceScores> spaces,
                                               std::span<const double> rates, std::int64_t round,
                                               double scale = 1) const;
  // Takes over the real-valued widths of a round that was carried out.
  void accept(std::span<const SpaceScores> spaces, std::span<const WidthStep> steps);

  // Channels that are removed together: round_to (the space's own, where it has one), made a multiple of the
  // space's groups.
  [[nodiscard]] std::int64_t granule(const SpaceScores& space) const;
  // The least width that a space may be cut to: min_channels in whole granules; its own width where that is
  // less.
  [[nodiscard]] std::int64_t lowest(const SpaceScores& space) const;

  void save(StateWriter writer) const;
  void restore(const StateReader& reader);

 private:
  struct Tracked {
    double initial = 0;
    double target = 0;
  };
  [[nodiscard]] Tracked tracked_of(const SpaceScores& space) const;

  WidthOptions options_;
  std::int64_t rounds_ = 1;
  std::map<std::string, Tracked, std::less<>> spaces_;
};

}  // namespace secateur
