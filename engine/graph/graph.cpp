#include "secateur/graph/graph.h"

#include <algorithm>

#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

template <class T>
const T& typed_attribute(const std::map<std::string, AttributeValue, std::less<>>& values,
                         std::string_view name, std::string_view kind) {
  const auto found = values.find(name);
  require(found != values.end(), "attribute '{}' ({}) is missing", name, kind);
  const T* value = std::get_if<T>(&found->second);
  require(value != nullptr, "attribute '{}' is expected to be {}", name, kind);
  return *value;
}

// Limits on what a file can make the program build, far above every network that there is and small enough
// that nothing derived from a graph (its channels' bookkeeping, sums of parameters and multiply-adds) runs
// out of memory or of 64 bits.
constexpr std::int64_t kMaxNodes = 20'000;
constexpr std::int64_t kMaxChannels = std::int64_t{1} << 20;     // of a node
constexpr std::int64_t kMaxAllChannels = std::int64_t{1} << 22;  // of all nodes together
constexpr std::int64_t kMaxPositions = std::int64_t{1} << 26;    // height x width
constexpr std::int64_t kMaxParameters = std::int64_t{1} << 34;   // of all nodes together

// What a node adds to the sums that are limited.
struct Load {
  std::int64_t channels = 0;
  std::int64_t parameters = 0;
};

Load checked_load(const Op& op, const Node& node, std::span<const MapShape> inputs, const MapShape& output) {
  require(output.channels <= kMaxChannels, "{} channels are more than the {} that a layer may have",
          output.channels, kMaxChannels);
  require(output.height <= kMaxPositions && output.width <= kMaxPositions / output.height,
          "a map of {} x {} is larger than a layer may have ({} positions)", output.height, output.width,
          kMaxPositions);
  Load load{output.channels, 0};
  for (const ParameterSpec& spec : op.parameters(node, inputs)) {
    require(spec.shape.count() <= kMaxParameters,
            "'{}' would have {} elements, more than a network may have ({})", spec.role, spec.shape.count(),
            kMaxParameters);
    load.parameters += spec.shape.count();
  }
  return load;
}

}  // namespace

std::int64_t Attributes::integer(std::string_view name) const {
  return typed_attribute<std::int64_t>(values_, name, "an integer");
}

double Attributes::real(std::string_view name) const {
  return typed_attribute<double>(values_, name, "a real number");
}

const std::vector<std::int64_t>& Attributes::integers(std::string_view name) const {
  return typed_attribute<std::vector<std::int64_t>>(values_, name, "a list of integers");
}

std::int64_t Attributes::integer_or(std::string_view name, std::int64_t fallback) const {
  return contains(name) ? integer(name) : fallback;
}

double Attributes::real_or(std::string_view name, double fallback) const {
  return contains(name) ? real(name) : fallback;
}

std::array<std::int64_t, 2> Attributes::pair_or(std::string_view name, std::int64_t fallback) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return {fallback, fallback};
  if (const auto* single = std::get_if<std::int64_t>(&found->second)) return {*single, *single};
  const auto& list = integers(name);
  require(list.size() == 2, "attribute '{}' is expected to be one integer or two, got {}", name, list.size());
  return {list[0], list[1]};
}

NodeId Graph::add(std::string name, std::string op, std::vector<NodeId> inputs, Attributes attributes) {
  return add(Node{std::move(name), std::move(op), std::move(inputs), std::move(attributes)});
}

NodeId Graph::add(Node node) {
  require(!node.name.empty(), "a node of op '{}' has no name", node.op);
  require(find(node.name) < 0, "two nodes are called '{}'", node.name);
  require(size() < kMaxNodes, "a graph has at most {} nodes", kMaxNodes);
  const Op& op = find_op(node.op);
  const auto [fewest, most] = op.arity();
  const auto given = static_cast<std::int64_t>(node.inputs.size());
  require(given >= fewest && given <= most, "'{}' ({}) takes {} to {} inputs, got {}", node.name, node.op,
          fewest, most, given);
  std::vector<MapShape> inputs;
  for (const NodeId input : node.inputs) {
    require(input >= 0 && input < size(), "'{}' reads node {}, of which there are {} before it", node.name,
            input, size());
    inputs.push_back(shapes_[static_cast<std::size_t>(input)]);
  }
  MapShape shape;
  Load load;
  try {
    shape = op.output_shape(node, inputs);
    require(shape.height > 0 && shape.width > 0 && shape.channels > 0,
            "the output would be {} x {} x {} (height x width x channels)", shape.height, shape.width,
            shape.channels);
    load = checked_load(op, node, inputs, shape);
    require(all_channels_ + load.channels <= kMaxAllChannels,
            "with this layer the network's maps have more than {} channels together", kMaxAllChannels);
    require(all_parameters_ + load.parameters <= kMaxParameters,
            "with this layer the network has more than {} parameters", kMaxParameters);
    if (node.attributes.contains("origin")) {
      require(static_cast<std::int64_t>(node.attributes.integers("origin").size()) == shape.channels,
              "'origin' has one entry a channel: expected {}, got {}", shape.channels,
              node.attributes.integers("origin").size());
    }
  } catch (const Error& error) {
    throw Error(fmt::format("layer '{}' ({}): {}", node.name, node.op, error.what()), error.where());
  }
  const NodeId id = static_cast<NodeId>(nodes_.size());
  by_name_.emplace(node.name, id);
  nodes_.push_back(std::move(node));
  shapes_.push_back(shape);
  all_channels_ += load.channels;
  all_parameters_ += load.parameters;
  return id;
}

NodeId Graph::output() const { return output_ >= 0 ? output_ : static_cast<NodeId>(nodes_.size()) - 1; }

void Graph::set_output(NodeId id) {
  require(id >= 0 && id < size(), "node {} cannot be the output: there are {}", id, size());
  output_ = id;
}

const Node& Graph::node(NodeId id) const { return nodes_.at(static_cast<std::size_t>(id)); }

NodeId Graph::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? -1 : found->second;
}

const MapShape& Graph::shape(NodeId id) const { return shapes_.at(static_cast<std::size_t>(id)); }

std::vector<MapShape> Graph::input_shapes(NodeId id) const {
  std::vector<MapShape> shapes;
  for (const NodeId input : node(id).inputs) shapes.push_back(shape(input));
  return shapes;
}

std::vector<NodeId> Graph::consumers(NodeId id) const {
  std::vector<NodeId> readers;
  for (NodeId reader = id + 1; reader < size(); ++reader) {
    if (std::ranges::count(node(reader).inputs, id) > 0) readers.push_back(reader);
  }
  return readers;
}

void Graph::replace_nodes(std::vector<Node> nodes) {
  Graph changed;
  for (Node& node : nodes) changed.add(std::move(node));
  if (output_ >= 0) changed.set_output(output_);
  *this = std::move(changed);
}

void Graph::save(StateWriter writer) const {
  std::vector<std::string> names;
  for (const Node& node : nodes_) {
    names.push_back(node.name);
    const StateWriter entry = writer.scope("nodes").scope(fmt::format("{:06}", names.size() - 1));
    StateWriter fields = entry;
    fields.set("op", node.op);
    fields.set("inputs", std::vector<std::int64_t>(node.inputs.begin(), node.inputs.end()));
    StateWriter attributes = entry.scope("attributes");
    for (const auto& [key, value] : node.attributes.values()) {
      std::visit([&, &name = key](const auto& v) { attributes.set(name, v); }, value);
    }
  }
  writer.set("names", names);
  writer.set("output", static_cast<std::int64_t>(output()));
}

Graph Graph::load(const StateReader& reader) {
  Graph graph;
  const auto& names = reader.get<std::vector<std::string>>("names");
  require(static_cast<std::int64_t>(names.size()) <= kMaxNodes,
          "a graph has at most {} nodes, the file says {}", kMaxNodes, names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const StateReader entry = reader.scope("nodes").scope(fmt::format("{:06}", i));
    Node node{names[i], entry.get<std::string>("op"), {}, {}};
    for (const std::int64_t input : entry.get<std::vector<std::int64_t>>("inputs")) {
      require(input >= 0 && input < static_cast<std::int64_t>(i),
              "layer '{}' reads node {}, which is not before it", node.name, input);
      node.inputs.push_back(static_cast<NodeId>(input));
    }
    const StateReader attributes = entry.scope("attributes");
    for (const std::string& key : attributes.children()) {
      // An attribute is one of the four kinds of AttributeValue; get() refuses any other with the path.
      node.attributes.set(key, [&]() -> AttributeValue {
        const StateValue& value = attributes.value(key);
        if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
        if (const auto* real = std::get_if<double>(&value)) return *real;
        if (const auto* text = std::get_if<std::string>(&value)) return *text;
        return attributes.get<std::vector<std::int64_t>>(key);
      }());
    }
    graph.add(std::move(node));
  }
  require(graph.size() > 0, "the graph has no nodes");
  const std::int64_t output = reader.get<std::int64_t>("output");
  require(output >= 0 && output < graph.size(), "the graph's output is node {}, of which there are {}",
          output, graph.size());
  graph.set_output(static_cast<NodeId>(output));
  return graph;
}

std::vector<bool> depends_on_parameters(const Graph& graph) {
  std::vector<bool> depends(static_cast<std::size_t>(graph.size()));
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (node.inputs.empty()) continue;
    bool any = !find_op(node.op).parameters(node, graph.input_shapes(id)).empty();
    for (const NodeId input : node.inputs) any = any || depends[static_cast<std::size_t>(input)];
    depends[static_cast<std::size_t>(id)] = any;
  }
  return depends;
}

}  // namespace secateur
