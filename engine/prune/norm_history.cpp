#include "secateur/prune/norm_history.h"

#include <fmt/format.h>

#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"

namespace secateur {

void NormHistory::record(const Model& model, const ChannelSpaces& spaces, Stream& stream) {
  std::map<std::string, std::vector<double>> norms;
  std::vector<NormRequest> requests;
  for (const ChannelSpace& space : spaces.spaces()) {
    for (const SpaceProducer& producer : space.producers) {
      const std::string& name = model.graph().node(producer.node).name;
      for (const std::int64_t p : model.layout().of_node[static_cast<std::size_t>(producer.node)]) {
        if (model.parameters()[static_cast<std::size_t>(p)].spec.kind != ParameterKind::weight) continue;
        const Tensor weights = model.value(p);
        const auto [entry, added] = norms.try_emplace(name, static_cast<std::size_t>(weights.shape[0]));
        if (added) requests.push_back({weights, entry->second.data()});
      }
    }
  }
  primitives_of(model.device().kind()).filter_norms(stream, FilterNorm::l1, requests);
  for (auto& [name, values] : norms) of_node_[name].push_back(std::move(values));
}

void NormHistory::fill(const ChannelSpaces& spaces, std::vector<SpaceStatistics>& statistics) const {
  for (SpaceStatistics& s : statistics) {
    const ChannelSpace& space = spaces.space(s.space);
    for (std::size_t p = 0; p < space.producers.size(); ++p) {
      FilterStatistics& target = s.producers[p];
      target.l1_history.clear();
      const auto found = of_node_.find(target.node);
      if (found == of_node_.end()) continue;
      for (const std::vector<double>& epoch : found->second) {
        std::vector<double>& values = target.l1_history.emplace_back();
        for (const std::int64_t channel : space.producers[p].channels) {
          values.push_back(epoch.at(static_cast<std::size_t>(channel)));
        }
      }
    }
  }
}

void NormHistory::save(StateWriter writer) const {
  writer.set("layers", static_cast<std::int64_t>(of_node_.size()));
  std::int64_t layer = 0;
  for (const auto& [name, epochs] : of_node_) {
    StateWriter entry = writer.scope(fmt::format("{:06}", layer++));
    entry.set("name", name);
    entry.set("epochs", static_cast<std::int64_t>(epochs.size()));
    for (std::size_t e = 0; e < epochs.size(); ++e) entry.set(fmt::format("{:06}", e), epochs[e]);
  }
}

void NormHistory::restore(const StateReader& reader) {
  of_node_.clear();
  const auto layers = reader.get_or<std::int64_t>("layers", 0);  // runs of older versions hold none
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const StateReader entry = reader.scope(fmt::format("{:06}", layer));
    std::vector<std::vector<double>>& epochs = of_node_[entry.get<std::string>("name")];
    for (std::int64_t e = 0; e < entry.get<std::int64_t>("epochs"); ++e) {
      epochs.push_back(entry.get<std::vector<double>>(fmt::format("{:06}", e)));
    }
  }
}

}  // namespace secateur
