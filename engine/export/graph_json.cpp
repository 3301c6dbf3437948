#include "secateur/export/graph_json.h"

#include "io/strict_json.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "secateur-graph";
constexpr std::int64_t kVersion = 1;
// {"nodes": [{"attributes": {"table": [..]}}]}
constexpr int kMaxDepth = 5;

std::int64_t integer_from(const json& value, const std::string& what) {
  // Unsigned integers past 2^63 would wrap.
  require(value.is_number_integer() &&
              (!value.is_number_unsigned() || value.get<std::uint64_t>() <= (std::uint64_t{1} << 62)),
          "{} should be an integer, is {}", what, shown_text(value.dump(-1, ' ', true)));
  return value.get<std::int64_t>();
}

const json& member(const json& object, const char* key, json::value_t kind, const std::string& what) {
  require(object.is_object() && object.contains(key), "{} has no '{}'", what, key);
  const json& value = object[key];
  require(value.type() == kind, "'{}' of {} should be {}, is {}", key, what, json(kind).type_name(),
          value.type_name());
  return value;
}

AttributeValue attribute_from(const json& value, const std::string& what) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return value.get<double>();
  if (!value.is_array()) return integer_from(value, what);
  std::vector<std::int64_t> list;
  list.reserve(value.size());
  for (const json& entry : value) list.push_back(integer_from(entry, what));
  return list;
}

Node node_from(const json& value, std::int64_t index) {
  const std::string which = fmt::format("node {}", index);
  Node node{member(value, "name", json::value_t::string, which).get<std::string>(),
            member(value, "op", json::value_t::string, which).get<std::string>(),
            {},
            {}};
  for (const json& input : member(value, "inputs", json::value_t::array, which)) {
    const std::int64_t id = integer_from(input, "an input of " + which);
    require(id >= 0 && id < index, "{} reads node {}, which is not before it", which, id);
    node.inputs.push_back(static_cast<NodeId>(id));
  }
  for (const auto& [key, attribute] : member(value, "attributes", json::value_t::object, which).items()) {
    node.attributes.set(key, attribute_from(attribute, fmt::format("'{}' of {}", shown_text(key), which)));
  }
  return node;
}

}  // namespace

std::string graph_to_json(const Graph& graph) {
  json nodes = json::array();
  for (const Node& node : graph.nodes()) {
    json attributes = json::object();
    for (const auto& [name, value] : node.attributes.values()) {
      std::visit([&, &key = name](const auto& v) { attributes[key] = v; }, value);
    }
    nodes.push_back({{"name", node.name},
                     {"op", node.op},
                     {"inputs", node.inputs},
                     {"attributes", std::move(attributes)}});
  }
  const json object{
      {"format", kFormat}, {"version", kVersion}, {"output", graph.output()}, {"nodes", std::move(nodes)}};
  try {
    return object.dump();
  } catch (const json::exception& error) {
    fail("the graph cannot be written as JSON: {}", error.what());
  }
}

Graph graph_from_json(std::string_view text, const std::string& origin) {
  const json object = parse_strict_json(text, origin, kMaxDepth);
  try {
    require(member(object, "format", json::value_t::string, "the graph") == kFormat,
            "the text is no graph of this program");
    require(object.contains("version"), "the graph has no 'version'");
    const std::int64_t version = integer_from(object["version"], "the version");
    require(version == kVersion, "the graph is of version {}, this program reads version {}", version,
            kVersion);
    Graph graph;
    for (const json& node : member(object, "nodes", json::value_t::array, "the graph")) {
      graph.add(node_from(node, graph.size()));
    }
    require(graph.size() > 0, "the graph has no nodes");
    require(object.contains("output"), "the graph has no 'output'");
    const std::int64_t output = integer_from(object["output"], "the output");
    require(output >= 0 && output < graph.size(), "the output is node {}, of which there are {}", output,
            graph.size());
    graph.set_output(static_cast<NodeId>(output));
    return graph;
  } catch (const Error& error) {
    throw Error(fmt::format("'{}': {}", origin, error.what()), error.where());
  }
}

}  // namespace secateur
