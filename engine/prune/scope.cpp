#include "secateur/prune/scope.h"

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {
namespace {

bool carries(const ChannelSpaces& spaces, NodeId node, std::int64_t space) {
  return std::ranges::any_of(spaces.lanes(node), [&](ChannelMember m) { return m.space == space; });
}

}  // namespace

bool names_space(std::string_view glob, const Graph& graph, const ChannelSpace& space) {
  if (glob_matches(glob, space.name)) return true;
  return std::ranges::any_of(space.producers, [&](const SpaceProducer& producer) {
    return glob_matches(glob, graph.node(producer.node).name);
  });
}

bool is_inner(const Graph& graph, const ChannelSpaces& spaces, std::int64_t space) {
  if (spaces.space(space).producers.size() != 1) return false;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (graph.node(id).inputs.size() < 2 || !carries(spaces, id, space)) continue;
    // Side by side (concat) every input lane has an output lane of its own; a join has fewer.
    std::int64_t input_lanes = 0;
    for (const NodeId input : graph.node(id).inputs) input_lanes += graph.shape(input).channels;
    if (graph.shape(id).channels < input_lanes) return false;
  }
  return true;
}

std::vector<std::int64_t> prunable_spaces(const Graph& graph, const ChannelSpaces& spaces, PruneScope scope,
                                          const std::vector<std::string>& keep) {
  std::vector<bool> used(keep.size(), false);
  std::vector<std::int64_t> result;
  for (std::int64_t s = 0; s < static_cast<std::int64_t>(spaces.spaces().size()); ++s) {
    const ChannelSpace& space = spaces.space(s);
    bool kept = space.pinned || (scope == PruneScope::inner && !is_inner(graph, spaces, s));
    for (std::size_t k = 0; k < keep.size(); ++k) {
      if (!names_space(keep[k], graph, space)) continue;
      used[k] = true;
      kept = true;
    }
    if (!kept) result.push_back(s);
  }
  for (std::size_t k = 0; k < keep.size(); ++k) {
    if (used[k]) continue;
    std::vector<std::string> names;
    for (const ChannelSpace& space : spaces.spaces()) names.push_back(space.name);
    fail("'{}' is to be kept, but matches no layer that makes channels; there are {}", keep[k],
         fmt::join(names, ", "));
  }
  require(!result.empty(), "there is nothing to prune: every layer is pinned, outside scope '{}' or kept",
          option_name(scope));
  return result;
}

}  // namespace secateur
