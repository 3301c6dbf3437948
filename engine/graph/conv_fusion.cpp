#include "secateur/graph/conv_fusion.h"

#include <algorithm>
#include <array>

#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

constexpr std::array<std::string_view, 3> kNames{"none", "statistics", "norm_act"};
constexpr std::string_view kGives = "statistics";
constexpr std::string_view kTakes = "given_statistics";

class Rewriter {
 public:
  Rewriter(const FusedGraph& fused, std::span<const NodeId> visible, const ConvFusionCheck& check)
      : fused_(fused), check_(check), new_id_(at(static_cast<NodeId>(graph().size())), -1) {
    for (const NodeId plain : visible) visible_.push_back(fused.node_map.at(at(plain)));
  }

  FusedConvolutions run() {
    for (NodeId id = 0; id < graph().size(); ++id) {
      if (graph().node(id).op == "conv2d") {
        convolution(id);
      } else if (!waits_for_reader(id)) {
        emit_as_it_is(id);
      }
    }
    result_.fused.graph.set_output(new_id_[at(graph().output())]);
    for (const NodeId id : fused_.node_map) {
      result_.fused.node_map.push_back(id < 0 ? -1 : new_id_[at(id)]);
    }
    return std::move(result_);
  }

 private:
  static std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }
  [[nodiscard]] const Graph& graph() const { return fused_.graph; }
  [[nodiscard]] bool is_norm(NodeId id) const {
    return graph().node(id).op == "batch_norm" || graph().node(id).op == "batch_norm_act";
  }
  [[nodiscard]] bool is_hidden(NodeId id) const {
    return id != graph().output() && std::ranges::count(visible_, id) == 0;
  }
  // Whether sums come with the value of a node that is emitted already.
  [[nodiscard]] bool has_sums(NodeId id) const {
    const NodeId emitted = new_id_[at(id)];
    return emitted >= 0 && gives_statistics(result_.fused.graph.node(emitted));
  }

  // Why batch norm and ReLU before a convolution cannot be applied by it, as far as the graph tells.
  [[nodiscard]] std::string obstacle(NodeId before) const {
    const Node& node = graph().node(before);
    if (node.op != "batch_norm_act") return "reads no batch norm with a ReLU";
    if (node.inputs.size() != 1) return "reads a batch norm that adds a residual";
    if (graph().consumers(before).size() != 1) return "reads what others read too";
    if (!is_hidden(before)) return "reads a map that is looked at";
    if (!has_sums(node.inputs[0])) return "reads a batch norm whose statistics no convolution takes";
    return {};
  }

  // True for a batch norm that the convolution behind it may apply.
  [[nodiscard]] bool waits_for_reader(NodeId id) const {
    if (!obstacle(id).empty()) return false;
    return graph().node(graph().consumers(id)[0]).op == "conv2d";
  }

  // Whether the one reader of a convolution's map is a batch norm that normalises it.
  [[nodiscard]] bool wants_sums(NodeId id) const {
    const std::vector<NodeId> readers = graph().consumers(id);
    return readers.size() == 1 && is_norm(readers[0]) && graph().node(readers[0]).inputs[0] == id &&
           is_hidden(id);
  }

  void convolution(NodeId id) {
    const Node& plain = graph().node(id);
    const NodeId before = plain.inputs[0];
    ConvFusionChoice choice{plain.name, ConvFusion::none, obstacle(before)};
    if (choice.reason.empty()) {
      const Node& norm = graph().node(before);
      Node node{plain.name, "norm_act_conv2d", {new_id_[at(norm.inputs[0])]}, plain.attributes};
      node.attributes.set("epsilon", norm.attributes.real_or("epsilon", 1e-5));
      node.attributes.set("momentum", norm.attributes.real_or("momentum", 0.1));
      std::vector<NodeId> sources = fused_.sources[at(before)];
      sources.insert(sources.end(), fused_.sources[at(id)].begin(), fused_.sources[at(id)].end());
      const std::optional<std::string> refusal =
          check_(node, graph().shape(before), graph().shape(id), sources);
      if (!refusal) {
        choice.fusion = ConvFusion::norm_act;
        result_.choices.push_back(std::move(choice));
        emit(id, std::move(node), std::move(sources));
        return;
      }
      choice.reason = *refusal;
      emit_as_it_is(before);
    }
    Node node = plain;
    node.inputs = {new_id_[at(before)]};
    if (wants_sums(id)) {
      Node summing = node;
      summing.attributes.set(std::string(kGives), std::int64_t{1});
      const std::optional<std::string> refusal =
          check_(summing, graph().shape(before), graph().shape(id), fused_.sources[at(id)]);
      if (refusal) {
        choice.reason = *refusal;
      } else {
        choice.fusion = ConvFusion::statistics;
        node = std::move(summing);
      }
    }
    result_.choices.push_back(std::move(choice));
    emit(id, std::move(node), fused_.sources[at(id)]);
  }

  void emit_as_it_is(NodeId id) {
    Node node = graph().node(id);
    if (is_norm(id) && has_sums(node.inputs[0])) node.attributes.set(std::string(kTakes), std::int64_t{1});
    for (NodeId& input : node.inputs) input = new_id_[at(input)];
    emit(id, std::move(node), fused_.sources[at(id)]);
  }

  void emit(NodeId id, Node node, std::vector<NodeId> sources) {
    new_id_[at(id)] = result_.fused.graph.add(std::move(node));
    result_.fused.sources.push_back(std::move(sources));
  }

  const FusedGraph& fused_;
  const ConvFusionCheck& check_;
  std::vector<NodeId> visible_;
  std::vector<NodeId> new_id_;  // -1: not emitted, or never will be
  FusedConvolutions result_;
};

}  // namespace

std::string_view name_of(ConvFusion fusion) { return kNames.at(static_cast<std::size_t>(fusion)); }

ConvFusion conv_fusion_from_name(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  require(found != kNames.end(), "unknown fusion '{}': expected one of {}", name, fmt::join(kNames, ", "));
  return static_cast<ConvFusion>(found - kNames.begin());
}

FusedConvolutions fuse_convolutions(const FusedGraph& fused, std::span<const NodeId> visible,
                                    const ConvFusionCheck& check) {
  return Rewriter(fused, visible, check).run();
}

bool gives_statistics(const Node& node) {
  return node.op == "norm_act_conv2d" || (node.op == "conv2d" && node.attributes.contains(kGives));
}

bool takes_statistics(const Node& node) {
  return node.op == "norm_act_conv2d" || node.attributes.contains(kTakes);
}

}  // namespace secateur
