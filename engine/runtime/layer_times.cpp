#include "secateur/runtime/layer_times.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "io/strict_json.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 3;
constexpr std::string_view kFormat = "secateur layer times";
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMostEntries = 100'000;
constexpr std::int64_t kWidest = std::int64_t{1} << 32;  // a linear layer reads positions times channels
constexpr double kLongest = 1e6;                         // seconds

TimingConditions conditions_from(const Json& json, const std::string& origin) {
  const JsonMembers members(json, origin + ": 'conditions'");
  return {members.text("device"),
          members.text("libraries"),
          members.text("precision"),
          members.integer("batch", 1, kWidest),
          members.integer("threads", 1, kWidest),
          members.text("image")};
}

// The place on an axis: between points `low` and `low` + 1, `part` of the way.
struct Place {
  std::size_t low = 0;
  double part = 0;
};

Place place_of(const std::vector<std::int64_t>& axis, std::int64_t width) {
  if (width <= axis.front()) return {0, 0};
  if (width >= axis.back()) return {axis.size() - 1, 0};
  const auto above = std::ranges::upper_bound(axis, width);
  const auto low = static_cast<std::size_t>(above - axis.begin()) - 1;
  return {low, static_cast<double>(width - axis[low]) / static_cast<double>(axis[low + 1] - axis[low])};
}

// A network's own entry, under what it can be told by.
std::string network_kind(const std::vector<Layer>& layers) {
  std::string text = "network";
  for (const Layer& layer : layers) text += fmt::format("; {}>{} {}", layer.in, layer.out, layer.kind);
  // FNV-1a: the text itself is too long for a key.
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return fmt::format("network of {} layers, {:016x}", layers.size(), hash);
}

std::vector<std::int64_t> axis_of(std::int64_t width, std::int64_t granule, bool fixed) {
  if (fixed) return {width};
  std::vector<std::int64_t> axis{std::min(granule, width)};
  for (const std::int64_t quarters : {1, 2, 3}) {
    const std::int64_t point = (width * quarters + 4 * granule - 1) / (4 * granule) * granule;
    if (point > axis.back() && point < width) axis.push_back(point);
  }
  if (width > axis.back()) axis.push_back(width);
  return axis;
}

// Pairs of widths of a grid, in the order of LatencyModel's table.
std::vector<std::pair<std::int64_t, std::int64_t>> points_of(const Layer& layer, const LayerGrid& grid) {
  std::vector<std::pair<std::int64_t, std::int64_t>> points;
  if (layer.widths == LayerWidths::fixed) return {{layer.in, layer.out}};
  if (grid.in.empty()) {
    for (const std::int64_t width : grid.out) points.emplace_back(width, width);
  }
  for (const std::int64_t in : grid.in) {
    for (const std::int64_t out : grid.out) points.emplace_back(in, out);
  }
  return points;
}

}  // namespace

std::string TimingConditions::text() const {
  return fmt::format("{}; {}; {}; batch {}; {} threads; images {}", device, libraries, precision, batch,
                     threads, image);
}

LayerTimes LayerTimes::parse(std::string_view json, const std::string& origin) {
  const Json document = parse_strict_json(json, origin, kMaxDepth);
  const JsonMembers top(document, origin);
  require(top.text("format") == kFormat, "{}: is no file of layer times, but '{}'", origin,
          shown_text(top.text("format")));
  const std::int64_t version = top.integer("version", 1, kWidest);
  require(version == kVersion, "{}: is of version {} of its format, and this program reads version {}",
          origin, version, kVersion);
  LayerTimes times(conditions_from(top.at("conditions"), origin));
  const Json& entries = top.list("entries", kMostEntries);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const JsonMembers entry(entries[i], fmt::format("{}: entry {}", origin, i));
    const std::string kind = entry.text("layer");
    const std::int64_t in = entry.integer("in", 1, kWidest);
    const std::int64_t out = entry.integer("out", 1, kWidest);
    require(times.find(kind, in, out) == nullptr, "{}: entry {} repeats '{}' at {} -> {}", origin, i,
            shown_text(kind), in, out);
    times.set(kind, in, out,
              {entry.real("seconds", 1e-12, kLongest), entry.real("spread", 0, kLongest),
               entry.integer("samples", 1, kWidest)});
  }
  return times;
}

std::string LayerTimes::to_json() const {
  Json entries = Json::array();
  for (const auto& [key, time] : entries_) {
    const auto& [kind, in, out] = key;
    entries.push_back({{"layer", kind},
                       {"in", in},
                       {"out", out},
                       {"seconds", time.seconds},
                       {"spread", time.spread},
                       {"samples", time.samples}});
  }
  const TimingConditions& c = conditions_;
  return Json{{"format", kFormat},
              {"version", kVersion},
              {"conditions",
               {{"device", c.device},
                {"libraries", c.libraries},
                {"precision", c.precision},
                {"batch", c.batch},
                {"threads", c.threads},
                {"image", c.image}}},
              {"entries", std::move(entries)}}
             .dump(1) +
         "\n";
}

const LayerTime* LayerTimes::find(const std::string& kind, std::int64_t in, std::int64_t out) const {
  const auto found = entries_.find({kind, in, out});
  return found == entries_.end() ? nullptr : &found->second;
}

void LayerTimes::set(const std::string& kind, std::int64_t in, std::int64_t out, const LayerTime& time) {
  require(std::isfinite(time.seconds) && time.seconds > 0, "the time of '{}' must be positive, got {} s",
          kind, time.seconds);
  entries_[{kind, in, out}] = time;
}

LayerGrid grid_of(const Layer& layer, std::int64_t granule) {
  require(granule >= 1, "widths are multiples of 1 or more, got {}", granule);
  const std::int64_t unit = std::lcm(granule, layer.groups);
  const bool fixed = layer.widths == LayerWidths::fixed;
  LayerGrid grid{{}, axis_of(layer.out, unit, fixed || layer.is_output)};
  if (layer.widths != LayerWidths::passing) {
    grid.in = axis_of(layer.in, unit, fixed || layer.reads_image);
  }
  return grid;
}

std::vector<Measurement> measurements_for(const Graph& network, std::int64_t granule) {
  std::vector<Measurement> result;
  std::map<std::tuple<std::string, std::int64_t, std::int64_t>, bool> listed;
  const std::vector<Layer> layers = layers_of(network);
  require(!layers.empty(), "there is nothing to measure: the network has no layers");
  for (const Layer& layer : layers) {
    for (const auto& [in, out] : points_of(layer, grid_of(layer, granule))) {
      if (!listed.try_emplace({layer.kind, in, out}, true).second) continue;
      result.push_back({layer.kind, in, out, layer_graph(layer, in, out), false});
    }
  }
  result.push_back({network_kind(layers), layers.front().in, layers.back().out, network, true});
  return result;
}

LatencyModel::LatencyModel(const Graph& network, const LayerTimes& times, std::int64_t granule) {
  const auto time_of = [&](const std::string& kind, std::int64_t in, std::int64_t out) {
    const LayerTime* time = times.find(kind, in, out);
    require(time != nullptr, "the table of layer times lacks '{}' at {} -> {} channels", kind, in, out);
    return *time;
  };
  const std::vector<Layer> layers = layers_of(network);
  require(!layers.empty(), "there is nothing to foretell: the network has no layers");
  for (const Layer& layer : layers) {
    Entry entry{layer.widths, grid_of(layer, granule), {}};
    for (const auto& [in, out] : points_of(layer, entry.grid)) {
      entry.seconds.push_back(time_of(layer.kind, in, out).seconds);
    }
    layers_.emplace(layer.name, std::move(entry));
  }
  whole_ = time_of(network_kind(layers), layers.front().in, layers.back().out);
  factor_ = whole_.seconds / sum(network);
}

double LatencyModel::seconds(const Graph& graph) const { return factor_ * sum(graph); }

double LatencyModel::sum(const Graph& graph) const {
  double total = 0;
  for (const Layer& layer : layers_of(graph)) {
    const auto found = layers_.find(layer.name);
    require(found != layers_.end(), "layer '{}' is none of the network whose layers were measured",
            layer.name);
    total += found->second.at(layer.in, layer.out);
  }
  return total;
}

double LatencyModel::Entry::at(std::int64_t in, std::int64_t out) const {
  const Place column = place_of(grid.out, out);
  const auto along = [&](std::size_t row) {
    const std::size_t first = row * grid.out.size() + column.low;
    return column.part == 0 ? seconds[first] : std::lerp(seconds[first], seconds[first + 1], column.part);
  };
  if (grid.in.empty()) return along(0);
  const Place row = place_of(grid.in, in);
  return row.part == 0 ? along(row.low) : std::lerp(along(row.low), along(row.low + 1), row.part);
}

}  // namespace secateur
