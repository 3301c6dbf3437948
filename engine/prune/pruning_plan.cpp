#include "secateur/prune/pruning_plan.h"

#include <algorithm>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur {

PruningPlan PruningPlan::from_members(const ChannelSpaces& spaces, const KeptMembers& kept) {
  PruningPlan plan;
  for (std::size_t s = 0; s < kept.size(); ++s) {
    const ChannelSpace& space = spaces.spaces()[s];
    if (static_cast<std::int64_t>(kept[s].size()) == space.width) continue;
    plan.edits.push_back({space.name, space.width, kept[s]});
  }
  return plan;
}

KeptMembers PruningPlan::members(const ChannelSpaces& spaces) const {
  KeptMembers kept = spaces.keep_all();
  std::vector<bool> named(kept.size(), false);
  for (const KeepChannels& edit : edits) {
    const auto found = std::ranges::find(spaces.spaces(), edit.space, &ChannelSpace::name);
    require(found != spaces.spaces().end(), "the plan prunes '{}', which this network does not have",
            edit.space);
    const auto s = static_cast<std::size_t>(found - spaces.spaces().begin());
    require(!named[s], "the plan names '{}' twice", edit.space);
    named[s] = true;
    require(found->width == edit.width, "the plan was made for a width of {} at '{}', but the network has {}",
            edit.width, edit.space, found->width);
    kept[s] = edit.kept;
  }
  return spaces.closed(std::move(kept));
}

std::int64_t PruningPlan::removed_channels() const {
  std::int64_t removed = 0;
  for (const KeepChannels& edit : edits) removed += edit.width - static_cast<std::int64_t>(edit.kept.size());
  return removed;
}

void PruningPlan::save(StateWriter writer) const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < edits.size(); ++i) {
    names.push_back(edits[i].space);
    StateWriter entry = writer.scope(fmt::format("{:06}", i));
    entry.set("width", edits[i].width);
    entry.set("kept", edits[i].kept);
  }
  writer.set("spaces", names);
}

PruningPlan PruningPlan::load(const StateReader& reader) {
  PruningPlan plan;
  for (const std::string& name : reader.get<std::vector<std::string>>("spaces")) {
    const StateReader entry = reader.scope(fmt::format("{:06}", plan.edits.size()));
    plan.edits.push_back(
        {name, entry.get<std::int64_t>("width"), entry.get<std::vector<std::int64_t>>("kept")});
  }
  return plan;
}

Graph pruned_graph(const Graph& graph, const ChannelSpaces& spaces, const KeptMembers& kept) {
  std::vector<Node> nodes(graph.nodes().begin(), graph.nodes().end());
  std::vector<std::vector<std::int64_t>> kept_lanes;
  for (NodeId id = 0; id < graph.size(); ++id) {
    kept_lanes.push_back(spaces.kept_lanes(id, kept));
    Node& node = nodes[static_cast<std::size_t>(id)];
    const Op& op = find_op(node.op);
    std::vector<std::vector<std::int64_t>> kept_inputs;
    for (const NodeId input : node.inputs) kept_inputs.push_back(kept_lanes[static_cast<std::size_t>(input)]);
    const auto& kept_output = kept_lanes.back();
    const std::int64_t channels = graph.shape(id).channels;
    if (op.tracks_origin() && static_cast<std::int64_t>(kept_output.size()) < channels) {
      std::vector<std::int64_t> origin(static_cast<std::size_t>(channels));
      std::iota(origin.begin(), origin.end(), 0);
      if (node.attributes.contains("origin")) origin = node.attributes.integers("origin");
      std::vector<std::int64_t> remaining;
      for (const std::int64_t lane : kept_output) remaining.push_back(origin[static_cast<std::size_t>(lane)]);
      node.attributes.set("origin", std::move(remaining));
      if (!node.attributes.contains("original_channels")) node.attributes.set("original_channels", channels);
    }
    op.keep_channels(node, kept_inputs, kept_output);
  }
  Graph result = graph;
  result.replace_nodes(std::move(nodes));
  return result;
}

Graph graph_with_widths(const Graph& graph, const ChannelSpaces& spaces,
                        const std::vector<std::int64_t>& widths) {
  require(widths.size() == spaces.spaces().size(), "expected {} widths, one a space, got {}",
          spaces.spaces().size(), widths.size());
  KeptMembers kept = spaces.keep_all();
  for (std::size_t s = 0; s < widths.size(); ++s) {
    const ChannelSpace& space = spaces.spaces()[s];
    require(widths[s] >= 1 && widths[s] <= space.width && widths[s] % space.groups == 0,
            "'{}' has {} channels in {} groups; it cannot have {}", space.name, space.width, space.groups,
            widths[s]);
    const std::int64_t run = space.width / space.groups;
    const std::int64_t kept_run = widths[s] / space.groups;
    std::erase_if(kept[s], [&](std::int64_t member) { return member % run >= kept_run; });
  }
  return pruned_graph(graph, spaces, spaces.closed(std::move(kept)));
}

}  // namespace secateur
