// Fusion: rewrites a graph for execution, joining batch norm with the ReLU and the residual add that follow
// it. Stored graphs stay plain; a fused one lives inside a Program.
#pragma once

#include <span>
#include <vector>

#include "secateur/graph/graph.h"

namespace secateur {

struct FusedGraph {
  Graph graph;
  // The nodes of the plain graph whose parameters each node of `graph` takes, one list a node, in order.
  std::vector<std::vector<NodeId>> sources;
  // New id of each node of the plain graph; -1 for a node whose value no longer appears (it was joined with
  // the next).
  std::vector<NodeId> node_map;
};

// batch_norm -> [add ->] relu becomes batch_norm_act under the batch norm's name, where the values in between
// are read by nobody else and are not listed in `visible`.
[[nodiscard]] FusedGraph fuse(const Graph& graph, std::span<const NodeId> visible);

// Besides, conv2d -> batch_norm [-> [add ->] relu] becomes folded_conv2d under the batch norm's name: for
// inference with parameters that do not change.
[[nodiscard]] FusedGraph fuse_and_fold(const Graph& graph, std::span<const NodeId> visible);

// The same graph, unfused: the reference path.
[[nodiscard]] FusedGraph unfused(const Graph& graph);

}  // namespace secateur
