// PruningPlan: what a removal does, as plain data. It can be printed, saved, compared and replayed; it
// touches no tensor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secateur/graph/channel_space.h"
#include "secateur/graph/graph.h"
#include "secateur/io/state_tree.h"

namespace secateur {

// Keep these members of one space and remove the others.
struct KeepChannels {
  std::string space;               // by its name
  std::int64_t width = 0;          // before the removal, so that a plan for another network is refused
  std::vector<std::int64_t> kept;  // ascending members that stay
  bool operator==(const KeepChannels&) const = default;
};

struct PruningPlan {
  std::vector<KeepChannels> edits;  // at most one a space; spaces that are not listed stay whole

  [[nodiscard]] static PruningPlan from_members(const ChannelSpaces& spaces, const KeptMembers& kept);
  // Throws Error when the plan names a space that the network lacks, or a width that it does not have;
  // includes what the removal forces elsewhere (ChannelSpaces::closed).
  [[nodiscard]] KeptMembers members(const ChannelSpaces& spaces) const;

  [[nodiscard]] bool empty() const { return edits.empty(); }
  [[nodiscard]] std::int64_t removed_channels() const;

  void save(StateWriter writer) const;
  [[nodiscard]] static PruningPlan load(const StateReader& reader);
  bool operator==(const PruningPlan&) const = default;
};

// The network after a removal, without its weights: node attributes and index tables rewritten, "origin"
// tables (the original index of every channel) gathered. Costs of a plan are read off it before anything is
// touched.
[[nodiscard]] Graph pruned_graph(const Graph& graph, const ChannelSpaces& spaces, const KeptMembers& kept);

// The same for widths alone (the first channels of each space stay): for costs and feasibility.
[[nodiscard]] Graph graph_with_widths(const Graph& graph, const ChannelSpaces& spaces,
                                      const std::vector<std::int64_t>& widths);

}  // namespace secateur
