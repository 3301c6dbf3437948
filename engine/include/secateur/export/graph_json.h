// A graph as JSON text, for files that other programs read:
//
//   {"format": "secateur-graph", "version": 1, "output": 69,
//    "nodes": [{"name": "conv1", "op": "conv2d", "inputs": [0],
//               "attributes": {"out_channels": 16, "kernel": 3, "padding": 1}}, ...]}
//
// Inputs are indices of earlier nodes. Attributes are integers, reals (always with a point or an exponent),
// texts, or lists of integers; what each op knows is documented with the op.
#pragma once

#include <string>
#include <string_view>

#include "secateur/graph/graph.h"

namespace secateur {

[[nodiscard]] std::string graph_to_json(const Graph& graph);
// Throws Error that begins with `origin` for text that is not such a graph, and for a graph that could not
// have been built by Graph::add().
[[nodiscard]] Graph graph_from_json(std::string_view text, const std::string& origin);

}  // namespace secateur
