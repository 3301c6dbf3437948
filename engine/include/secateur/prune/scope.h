// Which channel spaces a run may prune: l = 1..L of the paper, in the order of the forward pass of the first
// producer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secateur/graph/channel_space.h"
#include "secateur/prune/prune_options.h"

namespace secateur {

// Indices of the spaces that may be pruned: not pinned, inside the scope, and neither they nor any of their
// producers called by one of the `keep` globs. Throws Error for a glob that matches nothing, and when no
// space is left.
[[nodiscard]] std::vector<std::int64_t> prunable_spaces(const Graph& graph, const ChannelSpaces& spaces,
                                                        PruneScope scope,
                                                        const std::vector<std::string>& keep);

// True when no branch is joined with the channels of the space: one producer, and no node that adds several
// inputs lane by lane.
[[nodiscard]] bool is_inner(const Graph& graph, const ChannelSpaces& spaces, std::int64_t space);

// True when the glob matches the name of the space or of one of its producers.
[[nodiscard]] bool names_space(std::string_view glob, const Graph& graph, const ChannelSpace& space);

}  // namespace secateur
