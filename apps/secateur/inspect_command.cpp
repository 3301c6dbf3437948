// secateur inspect: layers, widths, parameters and multiply-adds of a network; --verify compares masked and
// removed.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/graph/channel_space.h"
#include "secateur/graph/cost.h"
#include "secateur/graph/op.h"
#include "secateur/models/models.h"
#include "secateur/session.h"
#include "secateur/text.h"
#include "secateur/verify.h"

namespace secateur::app {
namespace {

nlohmann::json as_json(const Graph& graph, const GraphCost& cost) {
  nlohmann::json layers = nlohmann::json::array();
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    const NodeCost& c = cost.nodes[static_cast<std::size_t>(id)];
    nlohmann::json layer{
        {"name", node.name},
        {"op", node.op},
        {"output", {graph.shape(id).height, graph.shape(id).width, graph.shape(id).channels}},
        {"parameters", c.parameters},
        {"macs", c.macs},
        {"activation_bytes", c.activation_bytes}};
    if (node.attributes.contains("origin")) layer["kept_channels"] = node.attributes.integers("origin");
    layers.push_back(std::move(layer));
  }
  nlohmann::json spaces = nlohmann::json::array();
  for (const ChannelSpace& space : ChannelSpaces(graph).spaces()) {
    nlohmann::json producers = nlohmann::json::array();
    for (const SpaceProducer& producer : space.producers) producers.push_back(graph.node(producer.node).name);
    spaces.push_back({{"name", space.name},
                      {"width", space.width},
                      {"producers", producers},
                      {"prunable", !space.pinned},
                      {"groups", space.groups}});
  }
  return {{"parameters", cost.parameters},
          {"macs", cost.macs},
          {"activation_bytes", cost.activation_bytes},
          {"layers", layers},
          {"channel_spaces", spaces}};
}

void print_table(const Graph& graph, const GraphCost& cost) {
  const ChannelSpaces spaces(graph);
  std::vector<std::vector<std::string>> rows{{"layer", "op", "output", "channels of", "parameters", "MACs"}};
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    const NodeCost& c = cost.nodes[static_cast<std::size_t>(id)];
    if (c.parameters == 0) continue;
    const MapShape& shape = graph.shape(id);
    std::string space_name;
    if (find_op(node.op).stage() == OpStage::producer) {
      const std::int64_t space = spaces.space_of_producer(id);
      if (space >= 0) {
        const ChannelSpace& s = spaces.space(space);
        space_name = s.pinned ? "(fixed)" : s.producers.size() > 1 ? s.name + " +" : s.name;
      }
    }
    rows.push_back({node.name, node.op, fmt::format("{}x{}x{}", shape.height, shape.width, shape.channels),
                    space_name, grouped(c.parameters), c.macs > 0 ? grouped(c.macs) : ""});
  }
  rows.push_back({"total", "", "", "", grouped(cost.parameters), grouped(cost.macs)});
  fmt::print("{}", table_text(rows));
  fmt::print("  activations of one image: {} (float32)\n", bytes_text(cost.activation_bytes));
}

}  // namespace

int run_inspect(RunOptions options, const InspectArguments& arguments) {
  if (arguments.target.empty()) {
    for (const auto& [name, description] : models::list()) fmt::print("  {:<12} {}\n", name, description);
    return 0;
  }
  Session session(options.run);
  const bool is_file = std::filesystem::exists(arguments.target);
  std::optional<LoadedModel> loaded;
  if (is_file) loaded = load_model(arguments.target, session);
  options.model.name = arguments.target;
  const Graph graph =
      is_file
          ? loaded->model.graph()
          : models::build(arguments.target, {.shortcut = options.model.shortcut, .head = options.model.head});
  if (arguments.verify) {
    require(is_file, "--verify compares weights: name a file");
    return run_verify(options, session, *loaded, arguments.base, arguments.json);
  }
  const GraphCost cost = cost_of(graph);
  if (arguments.json) {
    fmt::print("{}\n", as_json(graph, cost).dump(2));
  } else {
    print_table(graph, cost);
  }
  return 0;
}

}  // namespace secateur::app
