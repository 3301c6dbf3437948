#include "secateur/bench/network.h"

#include <algorithm>

#include "secateur/export/weights.h"
#include "secateur/graph/cost.h"
#include "secateur/models/models.h"
#include "secateur/models/weight_names.h"

namespace secateur::bench {

Model network_for(const app::RunOptions& options, const std::filesystem::path& weights,
                  app::Session& session) {
  if (!weights.empty()) return std::move(app::load_model(weights, session).model);
  Model model(
      models::build(options.model.name, {.shortcut = options.model.shortcut, .head = options.model.head}),
      session.device());
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

void write_network(const std::filesystem::path& path, const Model& model, Stream& stream) {
  write_weights(
      path, model.graph(),
      [&](const std::string& name) { return model.read(model.find_parameter(name), stream); },
      models::weight_names(model.graph(), models::Naming::own));
}

}  // namespace secateur::bench
