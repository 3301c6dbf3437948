#include "secateur/graph/fusion.h"

#include <algorithm>
#include <numeric>

namespace secateur {
namespace {

// A batch norm that disappears into the ReLU at `relu`, with the residual that is added on the way (-1:
// none).
struct Match {
  NodeId batch_norm = -1;
  NodeId add = -1;
  NodeId residual = -1;
};

class Matcher {
 public:
  Matcher(const Graph& graph, std::span<const NodeId> visible) : graph_(graph), visible_(visible) {
    readers_.assign(static_cast<std::size_t>(graph.size()), 0);
    for (const Node& node : graph.nodes()) {
      for (const NodeId input : node.inputs) ++readers_[static_cast<std::size_t>(input)];
    }
  }

  [[nodiscard]] Match match(NodeId relu) const {
    if (graph_.node(relu).op != "relu") return {};
    const NodeId before = graph_.node(relu).inputs[0];
    if (is_hidden(before, "batch_norm")) return {before, -1, -1};
    if (!is_hidden(before, "add") || graph_.node(before).inputs.size() != 2) return {};
    // Of two candidates the later one is fused: the other has to be computed before it anyway.
    NodeId first = graph_.node(before).inputs[0];
    NodeId second = graph_.node(before).inputs[1];
    if (first < second) std::swap(first, second);
    if (is_hidden(first, "batch_norm")) return {first, before, second};
    if (is_hidden(second, "batch_norm")) return {second, before, first};
    return {};
  }

 private:
  [[nodiscard]] bool is_hidden(NodeId id, std::string_view op) const {
    return graph_.node(id).op == op && readers_[static_cast<std::size_t>(id)] == 1 && id != graph_.output() &&
           std::ranges::count(visible_, id) == 0;
  }

  const Graph& graph_;
  std::span<const NodeId> visible_;
  std::vector<std::int64_t> readers_;
};

}  // namespace

FusedGraph fuse(const Graph& graph, std::span<const NodeId> visible) {
  const Matcher matcher(graph, visible);
  std::vector<Match> matches(static_cast<std::size_t>(graph.size()));
  std::vector<bool> absorbed(static_cast<std::size_t>(graph.size()), false);
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Match match = matcher.match(id);
    matches[static_cast<std::size_t>(id)] = match;
    if (match.batch_norm >= 0) absorbed[static_cast<std::size_t>(match.batch_norm)] = true;
    if (match.add >= 0) absorbed[static_cast<std::size_t>(match.add)] = true;
  }
  FusedGraph result;
  result.node_map.assign(static_cast<std::size_t>(graph.size()), -1);
  const auto mapped = [&](NodeId id) { return result.node_map[static_cast<std::size_t>(id)]; };
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (absorbed[static_cast<std::size_t>(id)]) continue;
    Node node = graph.node(id);
    const Match& match = matches[static_cast<std::size_t>(id)];
    if (match.batch_norm >= 0) {
      const Node& norm = graph.node(match.batch_norm);
      node = Node{norm.name, "batch_norm_act", norm.inputs, norm.attributes};
      if (match.residual >= 0) node.inputs.push_back(match.residual);
    }
    for (NodeId& input : node.inputs) input = mapped(input);
    result.node_map[static_cast<std::size_t>(id)] = result.graph.add(std::move(node));
  }
  result.graph.set_output(mapped(graph.output()));
  return result;
}

FusedGraph unfused(const Graph& graph) {
  FusedGraph result{graph, std::vector<NodeId>(static_cast<std::size_t>(graph.size()))};
  std::iota(result.node_map.begin(), result.node_map.end(), 0);
  result.graph.set_output(graph.output());
  return result;
}

}  // namespace secateur
