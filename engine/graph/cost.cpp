#include "secateur/graph/cost.h"

#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

std::int64_t trained_parameters(const Op& op, const Node& node, std::span<const MapShape> inputs) {
  std::int64_t count = 0;
  for (const ParameterSpec& spec : op.parameters(node, inputs)) {
    if (is_trained(spec.kind)) count += spec.shape.count();
  }
  return count;
}

// Does `node` read the output of another producer without a join of branches on the way? That holds for the
// second convolution of a block and for the first one after the stem, whose input the published formula
// shrinks as well.
bool reads_producer(const Graph& graph, NodeId id) {
  while (true) {
    const Node& node = graph.node(id);
    if (node.inputs.size() != 1) return false;
    id = node.inputs[0];
    if (find_op(graph.node(id).op).stage() == OpStage::producer) return true;
  }
}

GraphCost summed(std::vector<NodeCost> nodes) {
  GraphCost cost;
  for (const NodeCost& node : nodes) {
    cost.parameters += node.parameters;
    cost.macs += node.macs;
    cost.activation_bytes += node.activation_bytes;
  }
  cost.nodes = std::move(nodes);
  return cost;
}

}  // namespace

GraphCost cost_of(const Graph& graph) { return cost_of(graph, graph, CostCounting::both_sides); }

GraphCost cost_of(const Graph& graph, const Graph& base, CostCounting counting) {
  std::vector<NodeCost> costs;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    const Op& op = find_op(node.op);
    std::vector<MapShape> inputs = graph.input_shapes(id);
    if (op.stage() == OpStage::producer && counting != CostCounting::both_sides) {
      const NodeId original = base.find(node.name);
      require(original >= 0, "'{}' is not in the unpruned network that the counting refers to", node.name);
      const bool shrinks = counting == CostCounting::sfp && reads_producer(graph, id);
      if (!shrinks) inputs = base.input_shapes(original);
    }
    costs.push_back({id, trained_parameters(op, node, inputs), op.macs(node, inputs, graph.shape(id)),
                     graph.shape(id).count() * 4});
  }
  return summed(std::move(costs));
}

}  // namespace secateur
