#include "secateur/prune/fast_widths.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/prune/pruning_plan.h"
#include "secateur/runtime/stored_width.h"

namespace secateur {
namespace {

constexpr std::array<std::int64_t, 3> kTried{1, 2, 4};
constexpr std::int64_t kRounding = 8;

// About three quarters of the width: a multiple of `unit` and of no power of two beyond.
std::int64_t probe_width(std::int64_t width, std::int64_t unit, std::int64_t groups) {
  const std::int64_t granule = std::lcm(unit, groups);
  std::int64_t probe = width * 3 / 4 / granule;
  if (probe % 2 == 0) --probe;
  return std::max<std::int64_t>(probe, 1) * granule;
}

bool touches(const ChannelSpaces& spaces, NodeId node, std::int64_t space) {
  return std::ranges::any_of(spaces.lanes(node),
                             [&](const ChannelMember& lane) { return lane.space == space; });
}

std::string loss_text(const LayerPlan& layer) {
  const WidthLoss& loss = layer.losses.front();
  const std::string widths =
      fmt::format("{} at {} -> {}", layer.name, layer.geometry.in_channels, layer.geometry.out_channels);
  if (loss.lost_tensor_cores)
    return fmt::format("{} ({}) loses the tensor cores", widths, name_of(loss.pass));
  constexpr double kMebi = 1024.0 * 1024.0;
  return fmt::format("{} ({}) takes {:.1f} MiB of workspace, {:.1f} in multiples of 8", widths,
                     name_of(loss.pass), static_cast<double>(loss.workspace) / kMebi,
                     static_cast<double>(loss.rounded_workspace) / kMebi);
}

// Why a multiple will not do, by the index of the space; spaces that it does for are not there.
std::map<std::int64_t, std::string> losses_at(std::int64_t unit, const Graph& graph,
                                              const ChannelSpaces& spaces,
                                              std::span<const std::int64_t> prunable,
                                              const GpuDescription& gpu, const NetworkPlanOptions& options,
                                              const EngineFinder& find) {
  std::vector<std::int64_t> widths;
  for (const ChannelSpace& space : spaces.spaces()) widths.push_back(space.width);
  for (const std::int64_t index : prunable) {
    std::int64_t& width = widths[static_cast<std::size_t>(index)];
    width = std::min(width, probe_width(width, unit, spaces.space(index).groups));
  }
  const NetworkPlan plan = plan_network(graph_with_widths(graph, spaces, widths), gpu, options, find);
  std::map<std::int64_t, std::string> found;
  for (const LayerPlan& layer : plan.layers) {
    if (layer.losses.empty()) continue;
    const NodeId node = graph.find(layer.name);
    for (const std::int64_t index : prunable) {
      if (touches(spaces, node, index) || touches(spaces, graph.node(node).inputs[0], index)) {
        found.try_emplace(index, loss_text(layer));
      }
    }
  }
  return found;
}

}  // namespace

std::vector<FastWidth> fast_widths_of_host(const Graph& graph, const ChannelSpaces& spaces,
                                           std::span<const std::int64_t> prunable) {
  std::vector<FastWidth> result;
  for (const std::int64_t index : prunable) {
    const ChannelSpace& space = spaces.space(index);
    const bool vectors = std::ranges::any_of(space.producers, [&](const SpaceProducer& producer) {
      const MapShape& shape = graph.shape(producer.node);
      return shape.positions() > 1 && shape.channels > kHostVector;
    });
    result.push_back(
        {space.name, space.width, vectors ? kHostVector : 1,
         vectors
             ? fmt::format("maps are stored in whole vectors of {} channels", kHostVector)
             : fmt::format("maps of one position or up to {} channels are stored as they are", kHostVector)});
  }
  return result;
}

std::vector<FastWidth> fast_widths_of_gpu(const Graph& graph, const ChannelSpaces& spaces,
                                          std::span<const std::int64_t> prunable, const GpuDescription& gpu,
                                          const NetworkPlanOptions& options, const EngineFinder& find) {
  const std::int64_t padding = gpu_channel_padding(options.precision);
  std::map<std::int64_t, FastWidth> chosen;
  for (const std::int64_t index : prunable) {
    const ChannelSpace& space = spaces.space(index);
    chosen[index] = {
        space.name, space.width, kRounding,
        fmt::format("in {} channels are stored in multiples of {}", name_of(options.precision), padding)};
  }
  if (padding == 1) {
    std::map<std::int64_t, std::string> before;  // what spoke against the next smaller multiple
    std::vector<std::int64_t> open(prunable.begin(), prunable.end());
    for (const std::int64_t unit : kTried) {
      const auto losses = losses_at(unit, graph, spaces, open, gpu, options, find);
      for (const std::int64_t index : open) {
        if (losses.contains(index)) continue;
        FastWidth& width = chosen[index];
        width.multiple = unit;
        width.reason = unit == 1 ? "no convolution loses a fast engine at odd widths" : before[index];
      }
      std::erase_if(open, [&](std::int64_t index) { return !losses.contains(index); });
      before = losses;
      if (open.empty()) break;
    }
    for (const std::int64_t index : open) chosen[index].reason = before[index];
  }
  std::vector<FastWidth> result;
  for (const std::int64_t index : prunable) result.push_back(std::move(chosen[index]));
  return result;
}

std::vector<SlowWidth> slow_widths_of_host(const Graph& graph) {
  std::vector<SlowWidth> slow;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (node.op != "conv2d" || node.attributes.integer_or("groups", 1) != 1) continue;
    const MapShape& in = graph.shape(node.inputs[0]);
    const MapShape& out = graph.shape(id);
    const auto part = [](const MapShape& shape) {
      return static_cast<double>(shape.channels) / static_cast<double>(host_stored_channels(shape));
    };
    const double idle = 1 - part(in) * part(out);
    if (idle > 0) slow.push_back({node.name, in.channels, out.channels, idle});
  }
  return slow;
}

}  // namespace secateur
