// A network taken apart into the layers that an inference program runs as one piece each, and each of them as
// a network of its own, at any width: what is measured to foretell the time of a network that does not exist
// yet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secateur/graph/graph.h"

namespace secateur {

// How a layer's widths may be changed.
//   filters  a convolution or linear layer: channels read and made each on their own
//   passing  what it makes are the channels that it reads
//   fixed    an op that cannot be rebuilt at other widths: taken as it is
enum class LayerWidths : std::uint8_t { filters, passing, fixed };

// A convolution with the batch norm, add and ReLU that follow it, where nobody else reads what lies between;
// a linear layer; a pooling; ... Ops that move channels by a table (concat, pad_channels, gather_channels,
// scatter_add) are taken for one pass over their output: a ReLU of that size.
struct Layer {
  std::string name;  // of its first node: "layer1.0.conv1"
  // Everything that its time depends on but the widths: "conv2d kernel=3 padding=1 stride=1 of 32x32,
  // batch_norm, relu".
  std::string kind;
  LayerWidths widths = LayerWidths::filters;
  std::int64_t in = 0;       // channels of the first map that it reads
  std::int64_t out = 0;      // channels that it makes
  bool reads_image = false;  // `in` cannot change
  bool is_output = false;    // nor can `out`
  std::int64_t groups = 1;   // of a convolution whose groups keep their number: `in` and `out` are multiples
  // Ids of a node's inputs: first the sources, then the nodes.
  std::vector<MapShape> sources;
  std::vector<Node> nodes;
};

// In the order of the graph. What computes nothing in an inference (views, dropout) is no layer.
[[nodiscard]] std::vector<Layer> layers_of(const Graph& graph);

// The layer as a network, with one input for each source. Throws Error for widths that it cannot have.
[[nodiscard]] Graph layer_graph(const Layer& layer, std::int64_t in, std::int64_t out);

}  // namespace secateur
