// A graph as JSON, and what the program asks of a graph before it allocates anything: cost, parameters,
// channel spaces, memory plan.
#include "fuzz/fuzz_target.h"
#include "secateur/export/graph_json.h"
#include "secateur/graph/channel_space.h"
#include "secateur/graph/cost.h"
#include "secateur/runtime/model.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static_cast<void>(fuzz::message_of([&] {
    const Graph graph = graph_from_json(fuzz::text_of(data, size), "input");
    for (NodeId id = 0; id < graph.size(); ++id) {
      for (const NodeId input : graph.node(id).inputs) {
        if (input < 0 || input >= id) fuzz::broken("inputs come before their readers");
      }
    }
    const GraphCost cost = cost_of(graph);
    if (cost.parameters < 0 || cost.macs < 0 || cost.activation_bytes < 0) {
      fuzz::broken("costs are counted without overflow");
    }
    if (plan_parameters(graph).bytes(DType::f64) < 0) fuzz::broken("bytes are counted without overflow");
    if (graph_from_json(graph_to_json(graph), "own") != graph)
      fuzz::broken("what is written reads back equal");
    static_cast<void>(ChannelSpaces(graph));
  }));
  return 0;
}
