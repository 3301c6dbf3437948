// ChannelSpaces: which channels of a network must live or die together, derived from the ops' channel rules.
//
// Channels are joined by identity, lane by lane (union-find), then grouped: a ChannelSpace is the set of
// joined channels with the same producers. An inner convolution of a residual block has a space of its own; a
// stage's trunk is one space with several producers; where zero-padded (option A) shortcuts join only part of
// a wider trunk, the trunk falls into several spaces, of which each has its own members.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "secateur/graph/channel_rule.h"
#include "secateur/graph/graph.h"

namespace secateur {

// A lane's place: member `index` of space `space`. space is -1 for a lane that no filter produces (constant
// zero).
struct ChannelMember {
  std::int32_t space = -1;
  std::int32_t index = -1;
  bool operator==(const ChannelMember&) const = default;
};

// A node whose filters make the members of a space: member i is output channel channels[i] of `node`.
struct SpaceProducer {
  NodeId node = -1;
  std::vector<std::int64_t> channels;
};

struct ChannelSpace {
  // The first producer's; with the others' joined on where a producer has channels in several spaces.
  std::string name;
  std::int64_t width = 0;
  std::vector<SpaceProducer> producers;  // in graph order
  bool pinned = false;                   // image channels and class scores: never pruned
  std::int64_t groups = 1;               // members fall into this many equal runs, pruned alike
};

// A removal of channels: for each space the members that stay, in ascending order.
using KeptMembers = std::vector<std::vector<std::int64_t>>;

class ChannelSpaces {
 public:
  // Throws Error for a graph whose channels cannot be kept consistent (one filter twice in one joined
  // channel).
  explicit ChannelSpaces(const Graph& graph);

  // In the order of the forward pass of the first producer.
  [[nodiscard]] std::span<const ChannelSpace> spaces() const { return spaces_; }
  [[nodiscard]] const ChannelSpace& space(std::int64_t index) const {
    return spaces_.at(static_cast<std::size_t>(index));
  }
  // Index of the space that a node's filters produce its channel 0 of; -1 for nodes that produce none.
  [[nodiscard]] std::int64_t space_of_producer(NodeId node) const;

  // One entry a lane of the node's output.
  [[nodiscard]] std::span<const ChannelMember> lanes(NodeId node) const {
    return lanes_.at(static_cast<std::size_t>(node));
  }

  // All members of every space.
  [[nodiscard]] KeptMembers keep_all() const;
  // Adds to a removal what it forces: dependents of removed members (scatter_add). Throws Error when a pinned
  // space would lose members, a space would be left empty, groups would become unequal, or indices are not
  // ascending.
  [[nodiscard]] KeptMembers closed(KeptMembers kept) const;
  // Lanes of the node's output that stay under `kept`.
  [[nodiscard]] std::vector<std::int64_t> kept_lanes(NodeId node, const KeptMembers& kept) const;

 private:
  friend class ChannelAnalysis;
  std::vector<ChannelSpace> spaces_;
  std::vector<std::vector<ChannelMember>> lanes_;
  // Zero lanes without a filter that were joined with none: they go when their dependents say so, else they
  // stay.
  std::vector<std::pair<ChannelMember, ChannelMember>> implications_;
};

}  // namespace secateur
