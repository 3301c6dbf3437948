#include "secateur/runtime/network_plan.h"

#include <algorithm>

#include "secateur/core/error.h"
#include "secateur/core/slab.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

constexpr std::int64_t kRounding = 8;

std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

Tensor described(Precision precision, const MapShape& shape, std::int64_t batch) {
  return {nullptr, storage_type(precision), shape.batched(batch),
          align_up(shape.channels, gpu_channel_padding(precision))};
}

class Planner {
 public:
  Planner(const Graph& graph, const GpuDescription& gpu, const NetworkPlanOptions& options,
          const EngineFinder& find)
      : graph_(graph), gpu_(gpu), options_(options), find_(find), wanted_(depends_on_parameters(graph)) {}

  NetworkPlan run() {
    for (NodeId id = 0; id < graph_.size(); ++id) {
      if (graph_.node(id).op == "conv2d") plan_.layers.push_back(layer(id));
    }
    for (const LayerPlan& layer : plan_.layers) {
      for (const PassPlan& pass : layer.passes) {
        plan_.floor_seconds += pass.floor_seconds;
        plan_.bytes += pass.problem.bytes();
        plan_.macs += pass.problem.macs();
        plan_.refused += pass.engine.refusal.empty() ? 0 : 1;
      }
    }
    return std::move(plan_);
  }

 private:
  ConvGeometry geometry(NodeId id) const {
    const Node& node = graph_.node(id);
    ConvGeometry g = conv_geometry(
        node, options_.precision, described(options_.precision, graph_.shape(node.inputs[0]), options_.batch),
        described(options_.precision, graph_.shape(id), options_.batch));
    g.problem.deterministic = options_.deterministic;
    return g;
  }

  std::vector<ConvPass> passes_of(NodeId id) const {
    std::vector<ConvPass> passes{ConvPass::forward};
    if (!options_.training) return passes;
    if (wanted_[at(graph_.node(id).inputs[0])]) passes.push_back(ConvPass::input_gradient);
    passes.push_back(ConvPass::weight_gradient);
    return passes;
  }

  LayerPlan layer(NodeId id) {
    LayerPlan layer;
    layer.name = graph_.node(id).name;
    layer.geometry = geometry(id);
    for (const ConvPass pass : passes_of(id)) {
      PassPlan planned;
      planned.problem = layer.geometry.pass(pass);
      planned.engine = find_(planned.problem);
      const double memory = static_cast<double>(planned.problem.bytes()) / gpu_.memory_bytes_per_second;
      const double arithmetic =
          2 * static_cast<double>(planned.problem.macs()) / gpu_.flops(options_.precision);
      planned.floor_seconds = std::max(memory, arithmetic);
      planned.memory_bound = memory >= arithmetic;
      layer.passes.push_back(std::move(planned));
    }
    find_losses(id, layer);
    return layer;
  }

  // Asks for the same passes with widths rounded up, where they are no multiples of 8 as they are stored.
  void find_losses(NodeId id, LayerPlan& layer) {
    const bool reads_image = graph_.node(graph_.node(id).inputs[0]).inputs.empty();
    const ConvGeometry& g = layer.geometry;
    layer.rounded_in = reads_image ? g.in_channels : align_up(g.in_channels, kRounding);
    layer.rounded_out = align_up(g.out_channels, kRounding);
    if (g.layout != ConvLayout::dense) return;
    for (const PassPlan& pass : layer.passes) {
      ConvProblem rounded = pass.problem;
      if (!reads_image) rounded.input.channels = align_up(rounded.input.channels, kRounding);
      rounded.output.channels = align_up(rounded.output.channels, kRounding);
      if (rounded == pass.problem) continue;
      const PassEngine engine = find_(rounded);
      if (!engine.refusal.empty()) continue;
      const WidthLoss loss{pass.problem.pass, pass.engine.workspace, engine.workspace,
                           engine.tensor_cores && !pass.engine.tensor_cores};
      // A hidden copy is at least as large as the smaller of the two maps.
      const std::int64_t copy = std::min(pass.problem.input_elements(), pass.problem.output_elements()) *
                                size_of(storage_type(options_.precision));
      const bool copies = pass.engine.workspace - engine.workspace >= copy / 2;
      if (!pass.engine.refusal.empty() || loss.lost_tensor_cores || copies) layer.losses.push_back(loss);
    }
  }

  const Graph& graph_;
  const GpuDescription& gpu_;
  const NetworkPlanOptions& options_;
  const EngineFinder& find_;
  std::vector<bool> wanted_;
  NetworkPlan plan_;
};

}  // namespace

double LayerPlan::idle_fraction() const {
  const ConvProblem& p = geometry.problem;
  const double stored = static_cast<double>(p.input.channels) * static_cast<double>(p.output.channels);
  if (geometry.layout == ConvLayout::grouped) return 0;
  if (geometry.layout == ConvLayout::depthwise) {
    return 1 - static_cast<double>(geometry.out_channels) / static_cast<double>(p.output.channels);
  }
  return 1 - static_cast<double>(geometry.in_channels) * static_cast<double>(geometry.out_channels) / stored;
}

NetworkPlan plan_network(const Graph& graph, const GpuDescription& gpu, const NetworkPlanOptions& options,
                         const EngineFinder& find) {
  require(options.batch >= 1, "a batch has at least one image, got {}", options.batch);
  return Planner(graph, gpu, options, find).run();
}

}  // namespace secateur
