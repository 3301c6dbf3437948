// Taps: the nodes whose values are the feature maps of a channel space.
#pragma once

#include <cstdint>
#include <vector>

#include "secateur/graph/channel_space.h"
#include "secateur/prune/prune_options.h"

namespace secateur {

// A node that shows every member of a space exactly once.
struct Tap {
  NodeId node = -1;
  std::vector<std::int64_t> lanes;  // lanes[i] is the lane of member i in the node's output
  bool operator==(const Tap&) const = default;
};

// From each producer forward through single-consumer nodes:
//   relu  to the first activation (of a trunk: after the add); where there is none before a branch, a further
//   producer
//         or a node that rearranges the channels, to the last node before it
//   bn    to the first normalisation; where none comes before an activation, to the last node before it
//   conv  the producer itself
// In graph order, each node once.
[[nodiscard]] std::vector<Tap> taps_of(const Graph& graph, const ChannelSpaces& spaces, std::int64_t space,
                                       TapStage stage);

// Normalisation nodes that scale the members' maps: the first one after each producer, where there is one.
[[nodiscard]] std::vector<Tap> normalizations_of(const Graph& graph, const ChannelSpaces& spaces,
                                                 std::int64_t space);

}  // namespace secateur
