#include "secateur/bench/network.h"

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/export/weights.h"
#include "secateur/graph/channel_space.h"
#include "secateur/graph/cost.h"
#include "secateur/models/models.h"
#include "secateur/models/weight_names.h"
#include "secateur/prune/pruning_plan.h"
#include "secateur/prune/scope.h"

namespace secateur::bench {

Model network_for(const app::RunOptions& options, const std::filesystem::path& weights, app::Session& session,
                  const data::ImageSet* images) {
  if (!weights.empty()) return std::move(app::load_model(weights, session).model);
  Graph graph = images != nullptr ? app::build_graph(options.model, *images)
                                  : models::build(options.model.name, {.shortcut = options.model.shortcut,
                                                                       .head = options.model.head});
  Model model(std::move(graph), session.device());
  model.initialize(options.run.seed, session.stream());
  return model;
}

Work step_work(const Graph& graph, std::int64_t element_bytes, bool training) {
  constexpr double kTrainingPasses = 13;
  constexpr double kInferencePasses = 2;
  std::int64_t elements = 0;
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (graph.node(id).op == "conv2d") elements += graph.shape(id).positions() * graph.shape(id).channels;
  }
  const auto macs = static_cast<double>(cost_of(graph).macs);
  return {static_cast<double>(elements * element_bytes) * (training ? kTrainingPasses : kInferencePasses),
          2 * macs * (training ? 3 : 1)};
}

double step_floor(const Work& image, std::int64_t images, const Ceilings& ceilings) {
  const double operations = std::max(ceilings.fma_per_second, ceilings.tensor_per_second);
  return static_cast<double>(images) *
         std::max(image.bytes / ceilings.bytes_per_second(), image.operations / operations);
}

double inference_floor(const Graph& graph, std::int64_t images, std::int64_t element_bytes,
                       const Ceilings& ceilings) {
  const double rate = std::max(ceilings.fma_per_second, ceilings.tensor_per_second);
  double seconds = 0;
  for (const NodeCost& node : cost_of(graph).nodes) {
    if (node.macs == 0) continue;
    const auto elements = [&](NodeId id) { return graph.shape(id).positions() * graph.shape(id).channels; };
    const std::int64_t maps = images * (elements(graph.node(node.node).inputs[0]) + elements(node.node));
    const auto bytes = static_cast<double>((maps + node.parameters) * element_bytes);
    const auto operations = 2.0 * static_cast<double>(node.macs * images);
    seconds += std::max(bytes / ceilings.bytes_per_second(), operations / rate);
  }
  return seconds;
}

Graph uniformly_pruned(const Graph& graph, double budget, std::int64_t granule) {
  const ChannelSpaces spaces(graph);
  const std::vector<std::int64_t> prunable = prunable_spaces(graph, spaces, PruneScope::all, {});
  const auto allowed = static_cast<double>(cost_of(graph).macs) * budget;
  const auto cut = [&](double keep) {
    std::vector<std::int64_t> widths;
    for (const ChannelSpace& space : spaces.spaces()) widths.push_back(space.width);
    for (const std::int64_t index : prunable) {
      std::int64_t& width = widths[static_cast<std::size_t>(index)];
      const std::int64_t granules =
          std::llround(keep * static_cast<double>(width) / static_cast<double>(granule));
      width = std::min(width, std::max<std::int64_t>(granules, 1) * granule);
    }
    return graph_with_widths(graph, spaces, widths);
  };
  const auto fits = [&](const Graph& candidate) {
    return static_cast<double>(cost_of(candidate).macs) <= allowed;
  };
  double low = 0;
  double high = 1;
  require(fits(cut(low)), "widths of at least {} channels leave more than {} of the multiply-adds", granule,
          budget);
  constexpr int kHalvings = 20;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (fits(cut(middle)) ? low : high) = middle;
  }
  return cut(low);
}

std::vector<std::int64_t> batches_of(const std::vector<std::int64_t>& given) {
  require(std::ranges::all_of(given, [](std::int64_t batch) { return batch >= 1; }),
          "--batch takes numbers from 1 on");
  return given.empty() ? std::vector<std::int64_t>{1, 128} : given;
}

void check_cuts(double budget, const std::vector<std::int64_t>& round_to) {
  require(budget > 0 && budget < 1, "--budget lies between 0 and 1, is {}", budget);
  for (const std::int64_t granule : round_to) {
    require(granule >= 1, "--round-to takes widths from 1 on, not {}", granule);
  }
}

std::string cut_name(const std::string& network, double budget, std::int64_t granule) {
  return fmt::format("{}, {:.0f} % of the MACs, widths rounded to {}", network, 100 * budget, granule);
}

std::vector<Cut> cuts_of(const std::string& network, const Graph& graph, double budget,
                         const std::vector<std::int64_t>& round_to) {
  std::vector<Cut> cuts;
  for (const std::int64_t granule : round_to) {
    const std::string name = cut_name(network, budget, granule);
    try {
      cuts.push_back({granule, name, uniformly_pruned(graph, budget, granule)});
    } catch (const Error& error) {
      fmt::print("left out: {}: {}\n", name, error.what());
    }
  }
  return cuts;
}

void write_network(const std::filesystem::path& path, const Model& model, Stream& stream) {
  write_weights(
      path, model.graph(),
      [&](const std::string& name) { return model.read(model.find_parameter(name), stream); },
      models::weight_names(model.graph(), models::Naming::own));
}

}  // namespace secateur::bench
