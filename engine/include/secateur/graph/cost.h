// Cost model: parameters, multiply-adds and activation bytes of a graph, as it is.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "secateur/graph/graph.h"

namespace secateur {

// How multiply-adds and parameters of a pruned network are counted.
//
// - both_sides: input and output channels as they are (the truth, and the default).
// - output_only: pruned output channels against the unpruned network's input channels (HRank's published
// figures).
// - sfp: as SFP and FPGM publish: outputs shrink everywhere, inputs only where a convolution reads another
// one
//   directly, with no join of branches between them (the second of each block, and the first after the stem).
enum class CostCounting : std::uint8_t { both_sides, output_only, sfp };

struct NodeCost {
  NodeId node = -1;
  std::int64_t parameters = 0;        // trained ones; running statistics do not count
  std::int64_t macs = 0;              // convolutions and linear layers, one sample
  std::int64_t activation_bytes = 0;  // the output of one sample in float32
};

struct GraphCost {
  std::vector<NodeCost> nodes;  // one a node of the graph, in order
  std::int64_t parameters = 0;
  std::int64_t macs = 0;
  std::int64_t activation_bytes = 0;
};

[[nodiscard]] GraphCost cost_of(const Graph& graph);
// `base` is the unpruned network with the same node names; only its widths are used. Throws Error when a node
// of `graph` is missing in `base`.
[[nodiscard]] GraphCost cost_of(const Graph& graph, const Graph& base, CostCounting counting);

}  // namespace secateur
