// Graph: a network as data. Nodes in topological order, each with one output; no weights, no device, no
// computation.
//
// A node's inputs always have smaller ids than the node itself, so a graph cannot hold a cycle. Shapes are
// those of one sample; the batch size belongs to a Program.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "secateur/core/shape.h"
#include "secateur/io/state_tree.h"

namespace secateur {

using NodeId = std::int32_t;
using AttributeValue = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>>;

// Named settings of a node ("kernel", "stride", ...). What names an op understands is documented with the op.
class Attributes {
 public:
  Attributes() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a braced list is a set of attributes
  Attributes(std::initializer_list<std::pair<const std::string, AttributeValue>> values) : values_(values) {}

  void set(const std::string& name, AttributeValue value) { values_[name] = std::move(value); }
  [[nodiscard]] bool contains(std::string_view name) const { return values_.find(name) != values_.end(); }
  // Throw Error when the attribute is missing or of another kind.
  [[nodiscard]] std::int64_t integer(std::string_view name) const;
  [[nodiscard]] double real(std::string_view name) const;
  [[nodiscard]] const std::vector<std::int64_t>& integers(std::string_view name) const;
  // The fallback where the attribute is missing.
  [[nodiscard]] std::int64_t integer_or(std::string_view name, std::int64_t fallback) const;
  [[nodiscard]] double real_or(std::string_view name, double fallback) const;
  // Two integers given as [a, b], or as one integer that stands for both.
  [[nodiscard]] std::array<std::int64_t, 2> pair_or(std::string_view name, std::int64_t fallback) const;

  [[nodiscard]] const std::map<std::string, AttributeValue, std::less<>>& values() const { return values_; }
  bool operator==(const Attributes&) const = default;

 private:
  std::map<std::string, AttributeValue, std::less<>> values_;
};

struct Node {
  std::string name;  // unique in its graph: "layer2.0.conv1"
  std::string op;    // key of the op registry: "conv2d"
  std::vector<NodeId> inputs;
  Attributes attributes;
  bool operator==(const Node&) const = default;
};

class Graph {
 public:
  // Appends a node. Throws Error for an empty or taken name, an unknown op, a wrong number of inputs, an
  // input that does not exist, inputs and attributes whose shapes the op refuses, and for a network past the
  // limits of this program: 20,000 nodes, 2^20 channels of a node and 2^22 of all, 2^26 positions of a map,
  // 2^34 parameters.
  NodeId add(Node node);
  NodeId add(std::string name, std::string op, std::vector<NodeId> inputs, Attributes attributes = {});

  // The node whose value is the network's answer (logits). The last node unless set.
  [[nodiscard]] NodeId output() const;
  void set_output(NodeId id);

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(nodes_.size()); }
  [[nodiscard]] const Node& node(NodeId id) const;
  [[nodiscard]] std::span<const Node> nodes() const { return nodes_; }
  // -1 when there is no node of that name.
  [[nodiscard]] NodeId find(std::string_view name) const;
  [[nodiscard]] const MapShape& shape(NodeId id) const;
  [[nodiscard]] std::vector<MapShape> input_shapes(NodeId id) const;
  // Nodes that read `id`, in order.
  [[nodiscard]] std::vector<NodeId> consumers(NodeId id) const;

  // Edits made together: the change must leave every shape valid, else Error is thrown and the graph is as
  // before.
  void replace_nodes(std::vector<Node> nodes);

  void save(StateWriter writer) const;
  // Throws Error for a graph that could not have been built by add().
  [[nodiscard]] static Graph load(const StateReader& reader);

  bool operator==(const Graph& other) const { return nodes_ == other.nodes_ && output() == other.output(); }

 private:
  std::vector<Node> nodes_;
  std::vector<MapShape> shapes_;
  std::map<std::string, NodeId, std::less<>> by_name_;
  NodeId output_ = -1;
  // Sums over all nodes, which are limited.
  std::int64_t all_channels_ = 0;
  std::int64_t all_parameters_ = 0;
};

// For each node whether trained parameters lie at or above it, so that gradients flow to its value.
[[nodiscard]] std::vector<bool> depends_on_parameters(const Graph& graph);

}  // namespace secateur
