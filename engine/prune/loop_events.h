// What the loop's events carry.
#pragma once

#include <span>

#include "secateur/io/run_log.h"
#include "secateur/prune/pruning_loop.h"

namespace secateur {

[[nodiscard]] LogFields start_fields(const PruneOptions& options, const Evaluation& evaluation,
                                     const NetworkCost& cost, const NetworkCost& base,
                                     const FeasibleRange& range);
[[nodiscard]] LogFields score_fields(std::int64_t round, std::span<const SpaceScores> spaces);
[[nodiscard]] LogFields plan_fields(const PlannedRound& planned, std::span<const SpaceScores> spaces,
                                    const NetworkCost& before, const NetworkCost& after);
[[nodiscard]] LogFields epoch_fields(std::int64_t round, std::int64_t epoch, const EpochReport& report);
[[nodiscard]] LogFields round_fields(const RoundRecord& record);
[[nodiscard]] LogFields finish_fields(const LoopResult& result);

}  // namespace secateur
