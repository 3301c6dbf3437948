#include "secateur/graph/image_size.h"

#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur {

Graph graph_for_images(const Graph& graph, std::int64_t height, std::int64_t width) {
  Graph result;
  for (NodeId id = 0; id < graph.size(); ++id) {
    Node node = graph.node(id);
    if (node.inputs.empty()) {
      node.attributes.set("height", height);
      node.attributes.set("width", width);
    }
    result.add(std::move(node));
    const Node& added = result.node(id);
    const Op& op = find_op(added.op);
    const auto before = op.parameters(added, graph.input_shapes(id));
    const auto after = op.parameters(added, result.input_shapes(id));
    for (std::size_t p = 0; p < before.size(); ++p) {
      require(after[p].shape == before[p].shape,
              "the network is for images of {} x {} alone: with {} x {} the {} of layer '{}' would be {}, "
              "not {}; "
              "one that averages its last maps over all positions takes images of any size",
              graph.shape(0).height, graph.shape(0).width, height, width, before[p].role, added.name,
              after[p].shape.to_string(), before[p].shape.to_string());
    }
  }
  result.set_output(graph.output());
  return result;
}

}  // namespace secateur
