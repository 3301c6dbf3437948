#include "secateur/runtime/network_plan.h"

#include <algorithm>

#include "secateur/core/device.h"
#include "secateur/core/error.h"
#include "secateur/core/slab.h"
#include "secateur/graph/fusion.h"
#include "secateur/graph/memory_plan.h"
#include "secateur/graph/op.h"
#include "secateur/runtime/model.h"

namespace secateur {
namespace {

constexpr std::int64_t kRounding = 8;

std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

Tensor described(Precision precision, const MapShape& shape, std::int64_t batch) {
  return {nullptr, storage_type(precision), shape.batched(batch),
          align_up(shape.channels, gpu_channel_padding(precision))};
}

// Gradients are wanted where trained parameters lie at or above a node.
std::vector<bool> wanted_gradients(const Graph& graph) {
  std::vector<bool> wanted(at(static_cast<NodeId>(graph.size())));
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (node.inputs.empty()) continue;
    const std::vector<MapShape> shapes = graph.input_shapes(id);
    bool any = !find_op(node.op).parameters(node, shapes).empty();
    for (const NodeId input : node.inputs) any = any || wanted[at(input)];
    wanted[at(id)] = any;
  }
  return wanted;
}

class Planner {
 public:
  Planner(const Graph& graph, const GpuDescription& gpu, const NetworkPlanOptions& options,
          const EngineFinder& find)
      : graph_(graph), gpu_(gpu), options_(options), find_(find), wanted_(wanted_gradients(graph)) {}

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
    plan_.memory = memory(options_.batch);
    plan_.largest_batch = largest_batch();
    return std::move(plan_);
  }

 private:
  ConvGeometry geometry(NodeId id, std::int64_t batch) const {
    const Node& node = graph_.node(id);
    ConvGeometry g = conv_geometry(node, options_.precision,
                                   described(options_.precision, graph_.shape(node.inputs[0]), batch),
                                   described(options_.precision, graph_.shape(id), batch));
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
    layer.geometry = geometry(id, options_.batch);
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

  // A convolution's own filters and the workspace of a pass, at a batch that need not be the planned one.
  struct LayerMemory {
    std::int64_t filters = 0;
    std::int64_t forward = 0;
    std::int64_t backward = 0;
  };

  LayerMemory layer_memory(NodeId id, std::int64_t batch) const {
    const auto layer = std::ranges::find(plan_.layers, graph_.node(id).name, &LayerPlan::name);
    if (layer == plan_.layers.end()) return {};
    LayerMemory memory;
    const std::int64_t element = size_of(storage_type(options_.precision));
    const ConvGeometry& g = layer->geometry;
    if (!g.uses_masters()) memory.filters = g.problem.filter_elements() * element;
    std::int64_t copies = 0;
    if (g.copies_input) copies += g.problem.input_elements() * element;
    if (g.copies_output) copies += g.problem.output_elements() * element;
    for (const PassPlan& pass : layer->passes) {
      const double scale = static_cast<double>(batch) / static_cast<double>(options_.batch);
      const auto scaled = static_cast<std::int64_t>(
          static_cast<double>(std::max<std::int64_t>(pass.engine.workspace, 0) + copies) * scale);
      std::int64_t& target = pass.problem.pass == ConvPass::forward ? memory.forward : memory.backward;
      const bool result = pass.problem.pass == ConvPass::weight_gradient;
      target = std::max(target, scaled + (result ? memory.filters : 0));
    }
    return memory;
  }

  MemoryEstimate memory(std::int64_t batch) const {
    const ParameterLayout layout = plan_parameters(graph_);
    MemoryEstimate estimate;
    estimate.model =
        options_.training ? layout.bytes(DType::f32) : layout.value_elements() * size_of(DType::f32);
    const std::vector<BufferLife> buffers = lives(batch);
    const MemoryPlan placed = plan_memory(buffers, Device::kAlignment);
    estimate.step = placed.peak;
    estimate.lower_bound = placed.lower_bound;
    return estimate;
  }

  // Buffers of a step over the fused graph: node i runs forward at time i and backward at 2n - 1 - i.
  std::vector<BufferLife> lives(std::int64_t batch) const {
    const FusedGraph fused = fuse(graph_, {});
    const Graph& g = fused.graph;
    const auto count = g.size();
    const std::vector<bool> wanted = wanted_gradients(g);
    std::vector<BufferLife> buffers;
    std::vector<std::size_t> value(at(static_cast<NodeId>(count)));
    std::vector<std::size_t> gradient(value.size());
    const auto backward_time = [&](NodeId id) { return 2 * count - 1 - id; };
    const auto bytes = [&](NodeId id) {
      return described(options_.precision, g.shape(id), batch).stored_bytes();
    };
    const auto touch = [&](std::size_t buffer, std::int64_t time) {
      buffers[buffer].last = std::max(buffers[buffer].last, time);
    };
    for (NodeId id = 0; id < count; ++id) {
      const Node& node = g.node(id);
      const bool alias = !node.inputs.empty() && find_op(node.op).is_view();
      if (alias) {
        value[at(id)] = value[at(node.inputs[0])];
      } else {
        value[at(id)] = buffers.size();
        buffers.push_back({bytes(id), id, id});
      }
      for (const NodeId input : node.inputs) touch(value[at(input)], id);
      add_layer_buffers(buffers, g, id, batch, backward_time(id));
    }
    if (!options_.training) return buffers;
    for (NodeId id = static_cast<NodeId>(count) - 1; id >= 0; --id) {
      if (!wanted[at(id)]) continue;
      const Node& node = g.node(id);
      const Op& op = find_op(node.op);
      const std::int64_t time = backward_time(id);
      if (id == g.output() || gradient[at(id)] == 0) {
        buffers.push_back({bytes(id), time, time});
        gradient[at(id)] = buffers.size();  // one past the index; 0 is none
      }
      touch(gradient[at(id)] - 1, time);
      for (const NodeId input : node.inputs) {
        if (!op.passes_gradient() && !op.is_view()) touch(value[at(input)], time);
        if (!wanted[at(input)]) continue;
        if (op.passes_gradient() || op.is_view()) {
          if (gradient[at(input)] == 0) gradient[at(input)] = gradient[at(id)];
        } else {
          // A map that several nodes read gets a gradient from each, which are then added up.
          buffers.push_back({bytes(input), time, time});
          if (gradient[at(input)] != 0) touch(gradient[at(input)] - 1, backward_time(input));
          gradient[at(input)] = buffers.size();
        }
        touch(gradient[at(input)] - 1, backward_time(input));
      }
    }
    return buffers;
  }

  void add_layer_buffers(std::vector<BufferLife>& buffers, const Graph& g, NodeId id, std::int64_t batch,
                         std::int64_t backward) const {
    if (g.node(id).op != "conv2d") return;
    const LayerMemory m = layer_memory(graph_.find(g.node(id).name), batch);
    buffers.push_back({m.filters, id, options_.training ? backward : id});
    buffers.push_back({m.forward, id, id});
    if (options_.training) buffers.push_back({m.backward, backward, backward});
  }

  std::int64_t largest_batch() const {
    const auto fits = [&](std::int64_t batch) { return memory(batch).total() <= gpu_.memory_bytes; };
    if (!fits(1)) return 0;
    std::int64_t low = 1;
    constexpr std::int64_t kMost = std::int64_t{1} << 20;
    while (low < kMost && fits(low * 2)) low *= 2;
    std::int64_t high = low * 2;
    while (high - low > 1) {
      const std::int64_t middle = low + (high - low) / 2;
      (fits(middle) ? low : high) = middle;
    }
    return low;
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
