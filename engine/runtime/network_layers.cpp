#include "secateur/runtime/network_layers.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <type_traits>

#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

bool is_convolution(const Node& node) { return node.op == "conv2d"; }
bool has_filters(const Node& node) { return is_convolution(node) || node.op == "linear"; }

bool moves_channels(const Node& node) {
  constexpr std::array<std::string_view, 4> kOps{"concat", "pad_channels", "gather_channels", "scatter_add"};
  return std::ranges::count(kOps, node.op) > 0;
}

// "3,3"
std::string value_text(const AttributeValue& value) {
  return std::visit(
      [](const auto& held) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::vector<std::int64_t>>) {
          return fmt::format("{}", fmt::join(held, ","));
        } else {
          return fmt::format("{}", held);
        }
      },
      value);
}

// The op with its settings, those left out that are widths or name channels.
std::string op_text(const Node& node, bool depthwise) {
  constexpr std::array<std::string_view, 4> kWidths{"out_channels", "out_features", "origin",
                                                    "original_channels"};
  std::string text = depthwise ? "depthwise " + node.op : node.op;
  for (const auto& [name, value] : node.attributes.values()) {
    if (std::ranges::count(kWidths, name) > 0 || (depthwise && name == "groups")) continue;
    text += fmt::format(" {}={}", name, value_text(value));
  }
  return text;
}

class Splitter {
 public:
  explicit Splitter(const Graph& graph) : graph_(graph), readers_(count()), reader_(count(), -1) {
    for (NodeId id = 0; id < graph.size(); ++id) {
      for (const NodeId input : graph.node(id).inputs) {
        ++readers_[at(input)];
        reader_[at(input)] = id;
      }
    }
  }

  std::vector<Layer> run() {
    std::vector<bool> taken(count(), false);
    std::vector<Layer> layers;
    for (NodeId id = 0; id < graph_.size(); ++id) {
      const Node& node = graph_.node(id);
      if (taken[at(id)] || node.inputs.empty() || computes_nothing(node)) continue;
      const std::vector<NodeId> chain = chain_from(id);
      for (const NodeId part : chain) taken[at(part)] = true;
      layers.push_back(moves_channels(node) ? pass_over(id) : layer(chain));
    }
    return layers;
  }

 private:
  [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(graph_.size()); }
  [[nodiscard]] static std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

  [[nodiscard]] static bool computes_nothing(const Node& node) {
    const Op& op = find_op(node.op);
    return op.is_view() || op.training_only();
  }

  // The node that alone reads `id` and is run with it, if it is a `wanted`; -1 otherwise. An add goes with
  // the later of its terms, as the fusion has it (graph/fusion.h).
  [[nodiscard]] NodeId follower(NodeId id, std::string_view wanted) const {
    if (readers_[at(id)] != 1 || id == graph_.output()) return -1;
    const NodeId next = reader_[at(id)];
    const Node& node = graph_.node(next);
    if (node.op != wanted || std::ranges::max(node.inputs) != id) return -1;
    return node.inputs.size() <= 2 ? next : -1;
  }

  [[nodiscard]] std::vector<NodeId> chain_from(NodeId id) const {
    std::vector<NodeId> chain{id};
    const auto extend = [&](std::string_view wanted) {
      const NodeId next = follower(chain.back(), wanted);
      if (next >= 0) chain.push_back(next);
      return next >= 0;
    };
    const bool normalised =
        graph_.node(id).op == "batch_norm" || (is_convolution(graph_.node(id)) && extend("batch_norm"));
    if (!normalised) return chain;
    const std::size_t before = chain.size();
    static_cast<void>(extend("add"));
    if (!extend("relu")) chain.resize(before);  // an add alone is not joined
    return chain;
  }

  [[nodiscard]] Layer layer(const std::vector<NodeId>& chain) const {
    const Node& first = graph_.node(chain.front());
    Layer result;
    result.name = first.name;
    result.out = graph_.shape(chain.back()).channels;
    result.in = graph_.shape(first.inputs[0]).channels;
    result.reads_image = graph_.node(first.inputs[0]).inputs.empty();
    result.is_output = chain.back() == graph_.output();
    std::vector<NodeId> sources;
    for (const NodeId part : chain) {
      for (const NodeId input : graph_.node(part).inputs) {
        if (std::ranges::count(chain, input) > 0) continue;
        sources.push_back(input);
        result.sources.push_back(graph_.shape(input));
      }
    }
    const std::int64_t groups =
        is_convolution(first) ? first.attributes.integer_or("groups", 1) : std::int64_t{1};
    const bool depthwise = groups > 1 && groups == result.in && groups == result.out;
    result.groups = depthwise ? 1 : groups;
    result.widths = widths_of(chain, first, depthwise);
    for (const NodeId part : chain) {
      Node node = graph_.node(part);
      for (NodeId& input : node.inputs) input = local(input, sources, chain);
      result.kind += (result.kind.empty() ? "" : ", ") + op_text(node, depthwise && part == chain.front());
      if (part == chain.front()) {
        result.kind += fmt::format(" of {}x{}", result.sources[0].height, result.sources[0].width);
      }
      result.nodes.push_back(std::move(node));
    }
    return result;
  }

  [[nodiscard]] LayerWidths widths_of(const std::vector<NodeId>& chain, const Node& first,
                                      bool depthwise) const {
    if (has_filters(first) && !depthwise) return LayerWidths::filters;
    const bool passing = std::ranges::all_of(chain, [&](NodeId part) {
      return std::ranges::all_of(graph_.node(part).inputs, [&](NodeId input) {
        return graph_.shape(input).channels == graph_.shape(part).channels;
      });
    });
    return passing ? LayerWidths::passing : LayerWidths::fixed;
  }

  [[nodiscard]] static NodeId local(NodeId id, const std::vector<NodeId>& sources,
                                    const std::vector<NodeId>& chain) {
    const auto source = std::ranges::find(sources, id);
    if (source != sources.end()) return static_cast<NodeId>(source - sources.begin());
    const auto part = std::ranges::find(chain, id);
    return static_cast<NodeId>(std::ssize(sources) + (part - chain.begin()));
  }

  [[nodiscard]] Layer pass_over(NodeId id) const {
    const MapShape& shape = graph_.shape(id);
    Layer result;
    result.name = graph_.node(id).name;
    result.kind = fmt::format("relu of {}x{}", shape.height, shape.width);
    result.widths = LayerWidths::passing;
    result.in = result.out = shape.channels;
    result.is_output = id == graph_.output();
    result.sources = {shape};
    result.nodes = {Node{result.name, "relu", {0}, {}}};
    return result;
  }

  const Graph& graph_;
  std::vector<std::int64_t> readers_;
  std::vector<NodeId> reader_;  // the last one
};

void set_widths(Node& node, std::int64_t out, bool depthwise) {
  if (!is_convolution(node)) {
    node.attributes.set("out_features", out);
    return;
  }
  node.attributes.set("out_channels", out);
  if (depthwise) node.attributes.set("groups", out);
}

}  // namespace

std::vector<Layer> layers_of(const Graph& graph) { return Splitter(graph).run(); }

Graph layer_graph(const Layer& layer, std::int64_t in, std::int64_t out) {
  require(layer.widths == LayerWidths::filters || in == out || layer.widths == LayerWidths::fixed,
          "layer '{}' makes as many channels as it reads, not {} of {}", layer.name, out, in);
  require(layer.widths != LayerWidths::fixed || (in == layer.in && out == layer.out),
          "layer '{}' has {} -> {} channels and no others, not {} -> {}", layer.name, layer.in, layer.out, in,
          out);
  Graph graph;
  for (std::size_t i = 0; i < layer.sources.size(); ++i) {
    MapShape shape = layer.sources[i];
    if (layer.widths != LayerWidths::fixed) shape.channels = i == 0 ? in : out;
    graph.add(fmt::format("(source {})", i), "input", {},
              {{"height", shape.height}, {"width", shape.width}, {"channels", shape.channels}});
  }
  for (std::size_t i = 0; i < layer.nodes.size(); ++i) {
    Node node = layer.nodes[i];
    if (i == 0 && has_filters(node) && layer.widths != LayerWidths::fixed) {
      set_widths(node, out, layer.widths == LayerWidths::passing);
    }
    // Which channels these were once is of no matter here.
    if (node.attributes.contains("origin")) {
      Attributes plain;
      for (const auto& [name, value] : node.attributes.values()) {
        if (name != "origin" && name != "original_channels") plain.set(name, value);
      }
      node.attributes = std::move(plain);
    }
    graph.add(std::move(node));
  }
  return graph;
}

}  // namespace secateur
