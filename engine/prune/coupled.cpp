#include "prune/coupled.h"

#include <algorithm>
#include <span>

namespace secateur {
namespace {

// Sums of squares of one parameter by lane of the value that the axis runs along.
std::vector<double> squares_of_rows(const ParameterSpec& spec, const std::vector<double>& values) {
  std::vector<double> sums(static_cast<std::size_t>(spec.shape[0]), 0.0);
  const std::size_t length = values.size() / sums.size();
  for (std::size_t v = 0; v < values.size(); ++v) sums[v / length] += values[v] * values[v];
  return sums;
}

std::vector<double> squares_of_columns(const ParameterSpec& spec, const std::vector<double>& values,
                                       std::size_t lanes) {
  std::vector<double> sums(lanes, 0.0);
  const auto columns = static_cast<std::size_t>(spec.shape.last());
  const std::size_t group_size = values.size() / static_cast<std::size_t>(spec.groups);
  // Each group of rows reads its own run of the lanes; a dense one reads them all.
  for (std::size_t v = 0; v < values.size(); ++v) {
    sums[v / group_size * columns + v % columns] += values[v] * values[v];
  }
  return sums;
}

// Adds the side to every space that has members among the lanes.
void add_side(const Parameter& parameter, bool reads, const std::vector<double>& squares,
              std::span<const ChannelMember> lanes, std::vector<SpaceStatistics>& statistics) {
  for (SpaceStatistics& s : statistics) {
    CoupledStatistics coupled{parameter.name, parameter.spec.kind, reads, {}};
    coupled.squares.assign(static_cast<std::size_t>(s.width), 0.0);
    bool touched = false;
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      if (lanes[lane].space != s.space) continue;
      touched = true;
      coupled.squares[static_cast<std::size_t>(lanes[lane].index)] += squares[lane];
    }
    if (touched) s.coupled.push_back(std::move(coupled));
  }
}

}  // namespace

void measure_coupled(const Model& model, Stream& stream, const ChannelSpaces& spaces,
                     std::vector<SpaceStatistics>& statistics) {
  for (std::size_t p = 0; p < model.parameters().size(); ++p) {
    const Parameter& parameter = model.parameters()[p];
    const ParameterSpec& spec = parameter.spec;
    if (!is_trained(spec.kind)) continue;
    const std::vector<double> values = model.read(static_cast<std::int64_t>(p), stream);
    const auto outputs = spaces.lanes(parameter.node);
    if (spec.axes.front() == AxisRole::output) {
      add_side(parameter, false, squares_of_rows(spec, values), outputs, statistics);
    }
    const AxisRole last = spec.axes.back();
    if (spec.shape.rank() < 2 || (last != AxisRole::input && last != AxisRole::grouped_input)) continue;
    const auto inputs = spaces.lanes(model.graph().node(parameter.node).inputs.at(0));
    if (last == AxisRole::grouped_input && std::ranges::equal(inputs, outputs)) continue;
    add_side(parameter, true, squares_of_columns(spec, values, inputs.size()), inputs, statistics);
  }
}

}  // namespace secateur
