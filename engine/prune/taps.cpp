#include "secateur/prune/taps.h"

#include <algorithm>
#include <optional>

#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

// Lane of every member, where the node shows each of them exactly once.
std::optional<std::vector<std::int64_t>> lanes_of_members(const ChannelSpaces& spaces, NodeId node,
                                                          std::int64_t space) {
  std::vector<std::int64_t> lanes(static_cast<std::size_t>(spaces.space(space).width), -1);
  const auto all = spaces.lanes(node);
  for (std::size_t lane = 0; lane < all.size(); ++lane) {
    if (all[lane].space != space) continue;
    std::int64_t& place = lanes[static_cast<std::size_t>(all[lane].index)];
    if (place >= 0) return std::nullopt;
    place = static_cast<std::int64_t>(lane);
  }
  if (std::ranges::find(lanes, -1) != lanes.end()) return std::nullopt;
  return lanes;
}

OpStage stage_of(const Graph& graph, NodeId node) { return find_op(graph.node(node).op).stage(); }

// The node after `node` on its way forward, or -1 where the way branches, ends, or meets further filters.
NodeId next_node(const Graph& graph, const ChannelSpaces& spaces, std::int64_t space, NodeId node) {
  const std::vector<NodeId> consumers = graph.consumers(node);
  if (consumers.size() != 1) return -1;
  const NodeId next = consumers.front();
  if (stage_of(graph, next) == OpStage::producer || !lanes_of_members(spaces, next, space)) return -1;
  return next;
}

NodeId walk(const Graph& graph, const ChannelSpaces& spaces, std::int64_t space, NodeId producer,
            TapStage stage) {
  if (stage == TapStage::conv) return producer;
  const OpStage wanted = stage == TapStage::relu ? OpStage::activation : OpStage::normalization;
  NodeId node = producer;
  while (true) {
    const NodeId next = next_node(graph, spaces, space, node);
    if (next < 0) return node;
    const OpStage found = stage_of(graph, next);
    if (found == wanted) return next;
    if (found == OpStage::activation) return node;
    node = next;
  }
}

std::vector<Tap> taps_at(const Graph& graph, const ChannelSpaces& spaces, std::int64_t space,
                         const std::vector<NodeId>& nodes) {
  std::vector<Tap> taps;
  for (const NodeId node : nodes) {
    auto lanes = lanes_of_members(spaces, node, space);
    require(lanes.has_value(), "'{}' does not show every channel of '{}' once", graph.node(node).name,
            spaces.space(space).name);
    const bool known = std::ranges::any_of(taps, [&](const Tap& tap) { return tap.node == node; });
    if (!known) taps.push_back({node, std::move(*lanes)});
  }
  std::ranges::sort(taps, {}, &Tap::node);
  return taps;
}

}  // namespace

std::vector<Tap> taps_of(const Graph& graph, const ChannelSpaces& spaces, std::int64_t space,
                         TapStage stage) {
  std::vector<NodeId> nodes;
  for (const SpaceProducer& producer : spaces.space(space).producers) {
    nodes.push_back(walk(graph, spaces, space, producer.node, stage));
  }
  return taps_at(graph, spaces, space, nodes);
}

std::vector<Tap> normalizations_of(const Graph& graph, const ChannelSpaces& spaces, std::int64_t space) {
  std::vector<NodeId> nodes;
  for (const SpaceProducer& producer : spaces.space(space).producers) {
    const NodeId node = walk(graph, spaces, space, producer.node, TapStage::bn);
    if (stage_of(graph, node) == OpStage::normalization) nodes.push_back(node);
  }
  return taps_at(graph, spaces, space, nodes);
}

}  // namespace secateur
