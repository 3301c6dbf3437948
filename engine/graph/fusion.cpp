#include "secateur/graph/fusion.h"

#include <algorithm>

namespace secateur {
namespace {

// What is joined into one node, whose value is that of the last of them (-1: none of that sort).
struct Match {
  NodeId convolution = -1;
  NodeId batch_norm = -1;
  NodeId add = -1;
  NodeId residual = -1;  // added on the way
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
    if (is_hidden(before, "batch_norm")) return {-1, before, -1, -1};
    if (!is_hidden(before, "add") || graph_.node(before).inputs.size() != 2) return {};
    // Of two candidates the later one is fused: the other has to be computed before it anyway.
    NodeId first = graph_.node(before).inputs[0];
    NodeId second = graph_.node(before).inputs[1];
    if (first < second) std::swap(first, second);
    if (is_hidden(first, "batch_norm")) return {-1, first, before, second};
    if (is_hidden(second, "batch_norm")) return {-1, second, before, first};
    return {};
  }

  // The convolution that a batch norm reads, where nobody else does.
  [[nodiscard]] NodeId convolution_before(NodeId batch_norm) const {
    const NodeId before = graph_.node(batch_norm).inputs[0];
    return is_hidden(before, "conv2d") ? before : -1;
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

std::vector<Match> matches_of(const Graph& graph, std::span<const NodeId> visible, bool fold) {
  const Matcher matcher(graph, visible);
  std::vector<Match> matches(static_cast<std::size_t>(graph.size()));
  for (NodeId id = 0; id < graph.size(); ++id) matches[static_cast<std::size_t>(id)] = matcher.match(id);
  if (!fold) return matches;
  std::vector<bool> taken(matches.size(), false);
  for (Match& match : matches) {
    if (match.batch_norm < 0) continue;
    taken[static_cast<std::size_t>(match.batch_norm)] = true;
    match.convolution = matcher.convolution_before(match.batch_norm);
  }
  for (NodeId id = 0; id < graph.size(); ++id) {
    const auto i = static_cast<std::size_t>(id);
    if (graph.node(id).op != "batch_norm" || taken[i]) continue;
    if (const NodeId convolution = matcher.convolution_before(id); convolution >= 0) {
      matches[i] = {convolution, id, -1, -1};
    }
  }
  return matches;
}

// The node that takes the place of a match, with inputs of the plain graph.
Node joined(const Graph& graph, NodeId id, const Match& match) {
  const Node& norm = graph.node(match.batch_norm);
  Node node{norm.name, "batch_norm_act", norm.inputs, norm.attributes};
  if (match.convolution >= 0) {
    const Node& convolution = graph.node(match.convolution);
    node = {norm.name, "folded_conv2d", convolution.inputs, convolution.attributes};
    node.attributes.set("epsilon", norm.attributes.real_or("epsilon", 1e-5));
    node.attributes.set("relu", std::int64_t{graph.node(id).op == "relu"});
  }
  if (match.residual >= 0) node.inputs.push_back(match.residual);
  return node;
}

FusedGraph rewritten(const Graph& graph, const std::vector<Match>& matches) {
  std::vector<bool> absorbed(matches.size(), false);
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Match& match = matches[static_cast<std::size_t>(id)];
    for (const NodeId part : {match.convolution, match.batch_norm, match.add}) {
      if (part >= 0 && part != id) absorbed[static_cast<std::size_t>(part)] = true;
    }
  }
  FusedGraph result;
  result.node_map.assign(matches.size(), -1);
  const auto mapped = [&](NodeId id) { return result.node_map[static_cast<std::size_t>(id)]; };
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (absorbed[static_cast<std::size_t>(id)]) continue;
    const Match& match = matches[static_cast<std::size_t>(id)];
    Node node = match.batch_norm >= 0 ? joined(graph, id, match) : graph.node(id);
    std::vector<NodeId> sources{match.batch_norm >= 0 ? match.batch_norm : id};
    if (match.convolution >= 0) sources.insert(sources.begin(), match.convolution);
    for (NodeId& input : node.inputs) input = mapped(input);
    result.node_map[static_cast<std::size_t>(id)] = result.graph.add(std::move(node));
    result.sources.push_back(std::move(sources));
  }
  result.graph.set_output(mapped(graph.output()));
  return result;
}

}  // namespace

FusedGraph fuse(const Graph& graph, std::span<const NodeId> visible) {
  return rewritten(graph, matches_of(graph, visible, false));
}

FusedGraph fuse_and_fold(const Graph& graph, std::span<const NodeId> visible) {
  return rewritten(graph, matches_of(graph, visible, true));
}

FusedGraph unfused(const Graph& graph) {
  return rewritten(graph, std::vector<Match>(static_cast<std::size_t>(graph.size())));
}

}  // namespace secateur
