// A pruning plan as a table for people: one line a prunable space, and totals.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "secateur/graph/graph.h"
#include "secateur/prune/planner.h"

namespace secateur {

struct PlanRow {
  std::string layer;
  std::int64_t width_before = 0;
  std::int64_t width_after = 0;
  double rate = 0;
  double importance = 0;
  // Of the nodes that make the space's channels.
  std::int64_t parameters_before = 0;
  std::int64_t parameters_after = 0;
  std::int64_t macs_before = 0;
  std::int64_t macs_after = 0;
};

struct PlanTable {
  std::vector<PlanRow> rows;
  // Of the whole network.
  std::int64_t parameters_before = 0;
  std::int64_t parameters_after = 0;
  std::int64_t macs_before = 0;
  std::int64_t macs_after = 0;
  std::string why_empty;

  // Aligned columns, a line of totals, and why nothing is removed where that is so.
  [[nodiscard]] std::string to_text() const;
};

// `graph` is the network that the plan was made for.
[[nodiscard]] PlanTable plan_table(const Graph& graph, const PlannedRound& planned,
                                   std::span<const SpaceScores> spaces);

}  // namespace secateur
