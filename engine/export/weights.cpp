#include "secateur/export/weights.h"

#include <cmath>
#include <set>

#include "io/strict_json.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/export/graph_json.h"

namespace secateur {
namespace {

// A flattened map: positions x channels features. One position: nothing to reorder.
struct Flattened {
  std::int64_t positions = 1;
  std::int64_t channels = 0;
};

// Own index of each feature in the order (c, y, x).
std::vector<std::int64_t> feature_order(const Flattened& map) {
  std::vector<std::int64_t> order;
  order.reserve(static_cast<std::size_t>(map.positions * map.channels));
  for (std::int64_t c = 0; c < map.channels; ++c) {
    for (std::int64_t p = 0; p < map.positions; ++p) order.push_back(p * map.channels + c);
  }
  return order;
}

// For each node, how its value came out of a flatten.
std::vector<Flattened> flattened_maps(const Graph& graph) {
  static const std::set<std::string, std::less<>> kKeep{"relu", "dropout", "batch_norm"};
  std::vector<Flattened> maps(static_cast<std::size_t>(graph.size()));
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (node.inputs.empty()) continue;
    const Flattened& in = maps[static_cast<std::size_t>(node.inputs[0])];
    Flattened& out = maps[static_cast<std::size_t>(id)];
    if (node.op == "flatten") {
      const MapShape& shape = graph.shape(node.inputs[0]);
      out = in.positions > 1 ? in : Flattened{shape.positions(), shape.channels};
      continue;
    }
    if (kKeep.contains(node.op)) out = in;
    if (kKeep.contains(node.op) || node.op == "linear") continue;
    for (const NodeId input : node.inputs) {
      require(
          maps[static_cast<std::size_t>(input)].positions == 1,
          "layer '{}' ({}) reads a flattened map of {} positions, for which no layout in other frameworks is "
          "known",
          node.name, node.op, maps[static_cast<std::size_t>(input)].positions);
    }
  }
  return maps;
}

// [K, R, S, C] -> [K, C, R, S]
void set_filter_order(ForeignParameter& p) {
  const Shape& own = p.spec.shape;
  p.shape = {own[0], own[3], own[1], own[2]};
  if (own[1] * own[2] == 1) return;
  p.order.reserve(static_cast<std::size_t>(own.count()));
  for (std::int64_t k = 0; k < own[0]; ++k) {
    for (std::int64_t c = 0; c < own[3]; ++c) {
      for (std::int64_t rs = 0; rs < own[1] * own[2]; ++rs) {
        p.order.push_back((k * own[1] * own[2] + rs) * own[3] + c);
      }
    }
  }
}

// Reorders the last axis.
void set_feature_order(ForeignParameter& p, const Flattened& map) {
  p.shape = p.spec.shape;
  if (map.positions == 1) return;
  const std::vector<std::int64_t> row = feature_order(map);
  const auto width = static_cast<std::int64_t>(row.size());
  for (std::int64_t k = 0; k < p.shape.rows(); ++k) {
    for (const std::int64_t feature : row) p.order.push_back(k * width + feature);
  }
}

// A graph from a stranger may not make the program allocate more than the file itself holds.
void check_size(const Graph& graph, const Safetensors& file) {
  std::int64_t held = 0;
  for (const auto& [name, entry] : file.entries()) held += entry.shape.count();
  std::int64_t left = held;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    for (const ParameterSpec& spec : find_op(node.op).parameters(node, graph.input_shapes(id))) {
      const std::int64_t count = spec.shape.count();
      require(count <= left,
              "'{}': the graph's parameters up to layer '{}' need more than the {} values of the file",
              file.origin(), shown_text(node.name), held);
      left -= count;
    }
  }
}

}  // namespace

std::vector<double> ForeignParameter::to_foreign(std::vector<double> own) const {
  if (order.empty()) return own;
  std::vector<double> result(own.size());
  for (std::size_t i = 0; i < order.size(); ++i) result[i] = own.at(static_cast<std::size_t>(order[i]));
  return result;
}

std::vector<double> ForeignParameter::from_foreign(std::vector<double> foreign) const {
  if (order.empty()) return foreign;
  std::vector<double> result(foreign.size());
  for (std::size_t i = 0; i < order.size(); ++i) result.at(static_cast<std::size_t>(order[i])) = foreign[i];
  return result;
}

std::vector<ForeignParameter> foreign_parameters(const Graph& graph) {
  const std::vector<Flattened> maps = flattened_maps(graph);
  std::vector<ForeignParameter> result;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    for (ParameterSpec& spec : find_op(node.op).parameters(node, graph.input_shapes(id))) {
      ForeignParameter p{node.name + "." + spec.role, id, std::move(spec), {}, {}};
      const bool reads_features = node.op == "batch_norm" || (node.op == "linear" && p.spec.role == "weight");
      if (p.spec.shape.rank() == 4) {
        set_filter_order(p);
      } else {
        set_feature_order(p, reads_features ? maps[static_cast<std::size_t>(node.inputs[0])] : Flattened{});
      }
      result.push_back(std::move(p));
    }
  }
  return result;
}

void write_weights(const std::filesystem::path& path, const Graph& graph, const ParameterReader& read,
                   const ParameterNames& names, const Metadata& extra) {
  std::vector<NamedTensor> tensors;
  for (const ForeignParameter& p : foreign_parameters(graph)) {
    const std::vector<double> values = p.to_foreign(read(p.name));
    tensors.push_back({names.at(p.name), p.shape, {}});
    tensors.back().values.reserve(values.size());
    for (const double value : values) tensors.back().values.push_back(static_cast<float>(value));
  }
  Metadata metadata = extra;
  metadata[kGraphKey] = graph_to_json(graph);
  metadata[kNamesKey] = nlohmann::json(names).dump();
  metadata.emplace("format", "pt");  // without it Python's transformers library refuses a file
  write_safetensors(path, tensors, metadata);
}

void read_weights(const Safetensors& file, const Graph& graph, const ParameterNames& names,
                  const ParameterWriter& write) {
  const std::vector<ForeignParameter> parameters = foreign_parameters(graph);
  std::set<std::string, std::less<>> used;
  for (const ForeignParameter& p : parameters) {
    const std::string& name = names.at(p.name);
    const Safetensors::Entry& entry = file.at(name);
    require(entry.shape == p.shape, "'{}': tensor '{}' has shape {}, layer '{}' ({}) needs {}", file.origin(),
            name, entry.shape.to_string(), graph.node(p.node).name, p.spec.role, p.shape.to_string());
    for (const double value : file.values(name)) {
      require(std::isfinite(value), "'{}': tensor '{}' holds {}", file.origin(), name, value);
    }
    used.insert(name);
  }
  std::vector<std::string> left;
  for (const auto& [name, entry] : file.entries()) {
    if (!used.contains(name) && !name.ends_with("num_batches_tracked")) left.push_back(shown_text(name));
  }
  constexpr std::size_t kMost = 5;
  const std::size_t count = left.size();
  if (count > kMost) left.resize(kMost);
  require(count == 0, "'{}': the network has no use for {} of its tensors: {}{}", file.origin(), count,
          fmt::join(left, ", "), count > kMost ? ", ..." : "");
  for (const ForeignParameter& p : parameters) write(p.name, p.from_foreign(file.values(names.at(p.name))));
}

Graph stored_graph(const Safetensors& file) {
  const auto found = file.metadata().find(kGraphKey);
  require(found != file.metadata().end(), "'{}': the file carries no graph ('{}' in its metadata)",
          file.origin(), kGraphKey);
  Graph graph = graph_from_json(found->second, file.origin());
  check_size(graph, file);
  return graph;
}

ParameterNames stored_names(const Safetensors& file) {
  const auto found = file.metadata().find(kNamesKey);
  require(found != file.metadata().end(), "'{}': the file carries no names ('{}' in its metadata)",
          file.origin(), kNamesKey);
  ParameterNames names;
  const nlohmann::json object = parse_strict_json(found->second, file.origin(), 1);
  require(object.is_object(), "'{}': '{}' should be an object", file.origin(), kNamesKey);
  for (const auto& [own, name] : object.items()) {
    require(name.is_string(), "'{}': '{}' of '{}' should be text", file.origin(), shown_text(own), kNamesKey);
    names[own] = name.get<std::string>();
  }
  for (const ForeignParameter& p : foreign_parameters(stored_graph(file))) {
    require(names.contains(p.name), "'{}': '{}' does not name the parameter '{}'", file.origin(), kNamesKey,
            p.name);
  }
  return names;
}

}  // namespace secateur
