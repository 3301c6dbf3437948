// Selection (Eq. 14): which channels of a space go. Scores become an order of removal once; how many of it go
// is decided afterwards, so that a round that is made milder removes a part of the same channels.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "secateur/prune/rate_policy.h"
#include "secateur/prune/statistics.h"

namespace secateur {

// Scores a space's statistics (the criterion with this round's weights).
using SpaceScorer = std::function<std::vector<double>(const SpaceStatistics&)>;

// Fills scores, order and order_scores of one space. The lowest score goes first; of equal scores the channel
// with the higher original index goes first, so that the lower one is kept. In a space with groups the order
// takes one channel from each group in turn: whole turns keep the groups equal. Greedy scores the survivors
// anew before each removal (needs SpaceStatistics::pairwise where the criterion reads redundancy), so that of
// two duplicates one stays.
[[nodiscard]] SpaceScores scored_space(const SpaceStatistics& statistics, SelectionMode mode,
                                       const SpaceScorer& scorer);

// Members that stay, ascending, when the first `remove` channels of the order go. Throws Error when that
// would cut a turn of the groups short, or leave nothing.
[[nodiscard]] std::vector<std::int64_t> kept_members(const SpaceScores& space, std::int64_t remove);

// Eq. 14 as printed: the threshold is the K-th smallest score, and only scores strictly below it go; K - 1
// channels where no scores are equal.
[[nodiscard]] std::vector<std::int64_t> kept_members_strict(const SpaceScores& space, std::int64_t k);

}  // namespace secateur
