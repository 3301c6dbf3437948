#include "secateur/prune/surgeon.h"

#include <algorithm>

#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

std::vector<std::int64_t> all_below(std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) indices[static_cast<std::size_t>(i)] = i;
  return indices;
}

// How one parameter is gathered: index tables shared by its value, its momentum and its average.
struct GatherTables {
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> row_group;  // empty for one group
  std::vector<std::int64_t> columns;
  std::int64_t middle = 1;
  std::int64_t in_columns = 1;
  std::int64_t out_columns = 1;
};

GatherTables tables_for(const ParameterSpec& spec, const std::vector<std::int64_t>& kept_output,
                        const std::vector<std::int64_t>& kept_input, std::int64_t input_channels) {
  GatherTables t;
  const Shape& shape = spec.shape;
  require(spec.axes.size() == static_cast<std::size_t>(shape.rank()),
          "parameter '{}' names the roles of {} axes of {}", spec.role, spec.axes.size(), shape.rank());
  t.rows = spec.axes[0] == AxisRole::output ? kept_output : all_below(shape[0]);
  if (shape.rank() == 1) {
    t.columns = {0};
    return t;
  }
  t.in_columns = shape.last();
  t.middle = shape.count() / (shape[0] * t.in_columns);
  const AxisRole last = spec.axes.back();
  if (last == AxisRole::input) {
    t.columns = kept_input;
  } else if (last == AxisRole::fixed) {
    t.columns = all_below(t.in_columns);
  } else {
    require(last == AxisRole::grouped_input, "the last axis of parameter '{}' runs along inputs or is fixed",
            spec.role);
    // Each group reads its own run of the input channels; the kept ones are counted from the start of the
    // run.
    const std::int64_t run = input_channels / spec.groups;
    const std::int64_t group_rows = shape[0] / spec.groups;
    std::vector<std::vector<std::int64_t>> of_group(static_cast<std::size_t>(spec.groups));
    for (const std::int64_t channel : kept_input) {
      of_group[static_cast<std::size_t>(channel / run)].push_back(channel % run);
    }
    std::vector<std::int64_t> new_group(of_group.size(), -1);
    std::int64_t groups_left = 0;
    for (const std::int64_t row : t.rows) {
      const auto group = static_cast<std::size_t>(row / group_rows);
      if (new_group[group] < 0) {
        new_group[group] = groups_left++;
        t.columns.insert(t.columns.end(), of_group[group].begin(), of_group[group].end());
      }
      t.row_group.push_back(new_group[group]);
    }
    t.out_columns = static_cast<std::int64_t>(t.columns.size()) / groups_left;
    return t;
  }
  t.out_columns = static_cast<std::int64_t>(t.columns.size());
  return t;
}

struct Removal {
  Graph graph;
  ParameterLayout layout;
  std::vector<GatherTables> tables;  // one a parameter
};

Removal prepare(const Model& model, const KeptMembers& kept, const ChannelSpaces& spaces) {
  Removal removal{pruned_graph(model.graph(), spaces, kept), {}, {}};
  removal.layout = plan_parameters(removal.graph);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter& p = model.parameters()[i];
    const Node& node = model.graph().node(p.node);
    const auto kept_output = spaces.kept_lanes(p.node, kept);
    const auto kept_input = spaces.kept_lanes(node.inputs.at(0), kept);
    removal.tables.push_back(
        tables_for(p.spec, kept_output, kept_input, model.graph().shape(node.inputs[0]).channels));
    const GatherTables& t = removal.tables.back();
    const std::int64_t gathered = static_cast<std::int64_t>(t.rows.size()) * t.middle * t.out_columns;
    const Shape& after = removal.layout.parameters[i].spec.shape;
    require(gathered == after.count(), "removal would leave {} values of '{}', the smaller network has a {}",
            gathered, p.name, after.to_string());
  }
  return removal;
}

void add_segment(std::vector<GatherSegment>& segments, const GatherTables& t, const Tensor& from, void* to) {
  segments.push_back({from.data, to, t.middle, t.in_columns, t.rows, t.row_group, t.columns, t.out_columns});
}

}  // namespace

SurgeryEstimate estimate_surgery(const Model& model, const PruningPlan& plan) {
  const ChannelSpaces spaces(model.graph());
  const Graph smaller = pruned_graph(model.graph(), spaces, plan.members(spaces));
  SurgeryEstimate estimate;
  estimate.bytes_before = model.bytes();
  estimate.bytes_after =
      plan.empty() ? model.bytes() : plan_parameters(smaller).bytes(model.dtype(), model.averaged());
  estimate.peak_bytes = plan.empty() ? model.bytes() : estimate.bytes_before + estimate.bytes_after;
  return estimate;
}

SurgeryEstimate apply_plan(Model& model, const PruningPlan& plan, Stream& stream) {
  const SurgeryEstimate estimate = estimate_surgery(model, plan);
  if (plan.empty()) return estimate;
  const ChannelSpaces spaces(model.graph());
  Removal removal = prepare(model, plan.members(spaces), spaces);

  Slab slab(model.device(), removal.layout.bytes(model.dtype(), model.averaged()));
  stream.zero(slab.data(), slab.bytes());
  const std::int64_t element = size_of(model.dtype());
  const std::int64_t momentum_start = removal.layout.value_elements() + removal.layout.trained_elements;
  const std::int64_t average_start = momentum_start + removal.layout.trained_elements;
  std::vector<GatherSegment> segments;
  for (std::size_t i = 0; i < removal.tables.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const std::int64_t offset = removal.layout.parameters[i].offset;
    add_segment(segments, removal.tables[i], model.value(index), slab.at(offset * element));
    if (const Tensor momentum = model.momentum(index); !momentum.empty()) {
      add_segment(segments, removal.tables[i], momentum, slab.at((momentum_start + offset) * element));
    }
    if (const Tensor average = model.average(index); !average.empty()) {
      add_segment(segments, removal.tables[i], average, slab.at((average_start + offset) * element));
    }
  }
  primitives_of(model.device().kind()).gather(stream, model.dtype(), segments);
  stream.synchronize();
  // Nothing below can fail: the model is either the old one or the new one.
  model.replace(std::move(removal.graph), std::move(removal.layout), std::move(slab));
  return estimate;
}

void apply_mask(Model& model, const PruningPlan& plan, Stream& stream) {
  const ChannelSpaces spaces(model.graph());
  const KeptMembers kept = plan.members(spaces);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter& p = model.parameters()[i];
    const AxisRole last = p.spec.axes.back();
    if (p.spec.shape.rank() < 2 || (last != AxisRole::input && last != AxisRole::grouped_input)) continue;
    const NodeId input = model.graph().node(p.node).inputs.at(0);
    const auto kept_input = spaces.kept_lanes(input, kept);
    const std::int64_t channels = model.graph().shape(input).channels;
    if (static_cast<std::int64_t>(kept_input.size()) == channels) continue;
    std::vector<bool> stays(static_cast<std::size_t>(channels), false);
    for (const std::int64_t lane : kept_input) stays[static_cast<std::size_t>(lane)] = true;
    std::vector<double> values = model.read(static_cast<std::int64_t>(i), stream);
    const std::int64_t columns = p.spec.shape.last();
    const std::int64_t row_size = p.spec.shape.count() / p.spec.shape[0];
    const std::int64_t group_rows = p.spec.shape[0] / p.spec.groups;
    for (std::size_t v = 0; v < values.size(); ++v) {
      const auto flat = static_cast<std::int64_t>(v);
      const std::int64_t group = flat / row_size / group_rows;
      const std::int64_t lane = group * (last == AxisRole::grouped_input ? columns : 0) + flat % columns;
      if (!stays[static_cast<std::size_t>(lane)]) values[v] = 0;
    }
    model.write(static_cast<std::int64_t>(i), values, stream);
  }
}

void zero_filters(Model& model, const PruningPlan& plan, Stream& stream) {
  const ChannelSpaces spaces(model.graph());
  const KeptMembers kept = plan.members(spaces);
  for (std::size_t s = 0; s < kept.size(); ++s) {
    const ChannelSpace& space = spaces.spaces()[s];
    if (static_cast<std::int64_t>(kept[s].size()) == space.width) continue;
    for (const SpaceProducer& producer : space.producers) {
      for (const std::int64_t p : model.layout().of_node[static_cast<std::size_t>(producer.node)]) {
        const ParameterSpec& spec = model.parameters()[static_cast<std::size_t>(p)].spec;
        if (spec.kind != ParameterKind::weight && spec.kind != ParameterKind::bias) continue;
        std::vector<double> values = model.read(p, stream);
        const std::int64_t row = spec.shape.count() / spec.shape[0];
        for (std::int64_t member = 0; member < space.width; ++member) {
          if (std::ranges::binary_search(kept[s], member)) continue;
          const auto first = values.begin() + producer.channels[static_cast<std::size_t>(member)] * row;
          std::fill(first, first + row, 0.0);
        }
        model.write(p, values, stream);
      }
    }
  }
}

}  // namespace secateur
