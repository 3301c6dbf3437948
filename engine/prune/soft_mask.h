// Soft masks (He et al. 2018, "Soft filter pruning"): which filters of a planned removal an epoch sets to
// zero.
#pragma once

#include <span>

#include "secateur/prune/planner.h"

namespace secateur {

// ASFP's schedule: P(x) / P(1) for x in [0, 1] the part of the epochs that is done, with P(x) = a exp(-k x) +
// b through P(0) = 0, P(knee) = 3/4 P(1) and P(1).
[[nodiscard]] double asymptotic_part(double progress, double knee);

// The first `part` (0 .. 1) of what the round's plan removes from each space, in whole turns of its groups;
// the plan itself where it is 1.
[[nodiscard]] PruningPlan part_of(const PlannedRound& planned, std::span<const SpaceScores> spaces,
                                  double part);

}  // namespace secateur
