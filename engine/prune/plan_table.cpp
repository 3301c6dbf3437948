#include "secateur/prune/plan_table.h"

#include <algorithm>
#include <array>

#include "secateur/core/error.h"
#include "secateur/graph/cost.h"

namespace secateur {
namespace {

constexpr std::size_t kColumns = 7;
using Line = std::array<std::string, kColumns>;

std::string change(std::int64_t before, std::int64_t after) {
  if (before == after) return fmt::format("{}", before);
  return fmt::format("{} -> {}", before, after);
}

std::string percent(std::int64_t before, std::int64_t after) {
  if (before == 0) return "";
  return fmt::format("{:+.1f}%", 100.0 * static_cast<double>(after - before) / static_cast<double>(before));
}

// "1.25 M"
std::string count(std::int64_t value) {
  const auto number = static_cast<double>(value);
  if (value >= 1'000'000) return fmt::format("{:.2f} M", number * 1e-6);
  if (value >= 10'000) return fmt::format("{:.1f} k", number * 1e-3);
  return fmt::format("{}", value);
}

std::string counts(std::int64_t before, std::int64_t after) {
  return before == after ? count(before) : count(before) + " -> " + count(after);
}

}  // namespace

PlanTable plan_table(const Graph& graph, const PlannedRound& planned, std::span<const SpaceScores> spaces) {
  require(planned.steps.size() == spaces.size() && planned.rates.size() == spaces.size(),
          "the plan is of {} layers, the scores are of {}", planned.steps.size(), spaces.size());
  const ChannelSpaces channels(graph);
  const Graph after = pruned_graph(graph, channels, planned.plan.members(channels));
  const GraphCost cost_before = cost_of(graph);
  const GraphCost cost_after = cost_of(after);

  PlanTable table;
  table.parameters_before = cost_before.parameters;
  table.parameters_after = cost_after.parameters;
  table.macs_before = cost_before.macs;
  table.macs_after = cost_after.macs;
  table.why_empty = planned.why_empty;
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    PlanRow& row = table.rows.emplace_back();
    row.layer = spaces[l].name;
    row.width_before = planned.steps[l].before;
    row.width_after = planned.steps[l].after;
    row.rate = planned.rates[l];
    row.importance = importance_of(spaces[l]);
    for (const std::string& name : spaces[l].producers) {
      const NodeId node = graph.find(name);
      require(node >= 0, "the plan's layer '{}' is not in the network", name);
      const auto i = static_cast<std::size_t>(node);
      row.parameters_before += cost_before.nodes[i].parameters;
      row.parameters_after += cost_after.nodes[i].parameters;
      row.macs_before += cost_before.nodes[i].macs;
      row.macs_after += cost_after.nodes[i].macs;
    }
  }
  return table;
}

std::string PlanTable::to_text() const {
  std::vector<Line> lines{{"layer", "width", "", "rate", "importance", "parameters", "MACs"}};
  std::int64_t width_before = 0;
  std::int64_t width_after = 0;
  for (const PlanRow& row : rows) {
    width_before += row.width_before;
    width_after += row.width_after;
    lines.push_back(
        {row.layer, change(row.width_before, row.width_after), percent(row.width_before, row.width_after),
         fmt::format("{:.3f}", row.rate), fmt::format("{:.3f}", row.importance),
         counts(row.parameters_before, row.parameters_after), counts(row.macs_before, row.macs_after)});
  }
  lines.push_back(
      {"network", change(width_before, width_after), percent(width_before, width_after), "", "",
       fmt::format("{} ({})", counts(parameters_before, parameters_after),
                   percent(parameters_before, parameters_after)),
       fmt::format("{} ({})", counts(macs_before, macs_after), percent(macs_before, macs_after))});
  std::array<std::size_t, kColumns> widths{};
  for (const Line& line : lines) {
    for (std::size_t c = 0; c < kColumns; ++c) widths[c] = std::max(widths[c], line[c].size());
  }
  std::string text;
  for (const Line& line : lines) {
    std::string row = fmt::format("{:<{}}", line[0], widths[0]);
    for (std::size_t c = 1; c < kColumns; ++c) row += fmt::format("  {:>{}}", line[c], widths[c]);
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  if (!why_empty.empty()) text += fmt::format("Nothing is removed: {}.\n", why_empty);
  return text;
}

}  // namespace secateur
