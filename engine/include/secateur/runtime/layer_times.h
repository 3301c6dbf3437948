// Times of layers by width as they were measured on a device, kept in a file, and the time of a network that
// follows from them.
//
// The file is JSON: what was measured under which conditions, one entry a layer and pair of widths. It holds
// for these conditions alone; another device, library, batch, precision or number of threads has a file of
// its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/runtime/network_layers.h"

namespace secateur {

// What a time depends on beside the layer.
struct TimingConditions {
  std::string device;     // "AMD EPYC 7B13", "NVIDIA H200"
  std::string libraries;  // versions of the engine and of what computes: "secateur 0.1.0, oneDNN 3.4.1"
  std::string precision;
  std::int64_t batch = 0;
  std::int64_t threads = 0;
  std::string image;  // what a network is fed: "32x32x3"
  bool operator==(const TimingConditions&) const = default;
  // All of it on one line; equal for equal conditions.
  [[nodiscard]] std::string text() const;
};

struct LayerTime {
  double seconds = 0;        // of a forward pass: the median
  double spread = 0;         // between the quartiles, as a part of the median
  std::int64_t samples = 0;  // what the median is of
  bool operator==(const LayerTime&) const = default;
};

class LayerTimes {
 public:
  explicit LayerTimes(TimingConditions conditions) : conditions_(std::move(conditions)) {}
  // `origin` is named in errors: no JSON, a key that is missing or of the wrong kind, a time that is none,
  // more than a hundred thousand entries.
  [[nodiscard]] static LayerTimes parse(std::string_view json, const std::string& origin);
  [[nodiscard]] std::string to_json() const;

  [[nodiscard]] const TimingConditions& conditions() const { return conditions_; }
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(entries_.size()); }
  // Null where it was not measured.
  [[nodiscard]] const LayerTime* find(const std::string& kind, std::int64_t in, std::int64_t out) const;
  void set(const std::string& kind, std::int64_t in, std::int64_t out, const LayerTime& time);
  bool operator==(const LayerTimes&) const = default;

 private:
  using Key = std::tuple<std::string, std::int64_t, std::int64_t>;
  TimingConditions conditions_;
  std::map<Key, LayerTime> entries_;
};

// Widths at which a layer is measured: the least granule, quarters of the full width in whole granules, and
// the full width. Between them times are interpolated linearly in each width; below the least they are its.
struct LayerGrid {
  std::vector<std::int64_t> in, out;  // ascending; `in` is empty for layers that pass channels on
};
[[nodiscard]] LayerGrid grid_of(const Layer& layer, std::int64_t granule);

// What has to be measured: the layers of a network at the widths of their grids, each once, and the network
// whole.
struct Measurement {
  std::string kind;
  std::int64_t in = 0;
  std::int64_t out = 0;
  Graph graph;
  bool whole = false;  // the network, on which every forecast hangs
};
[[nodiscard]] std::vector<Measurement> measurements_for(const Graph& network, std::int64_t granule);

// Times of a network and of what pruning makes of it. The sum of its layers' times is multiplied by what the
// whole network takes over the sum of its own layers: what lies between layers, and what caches do, is in
// that factor.
class LatencyModel {
 public:
  // Throws Error that names a layer whose time is missing. `network` is the unpruned one.
  LatencyModel(const Graph& network, const LayerTimes& times, std::int64_t granule);
  // Of a network with the same layers and other widths. Throws Error for one with a layer of another name.
  [[nodiscard]] double seconds(const Graph& graph) const;
  [[nodiscard]] double factor() const { return factor_; }
  // The whole network as it was measured.
  [[nodiscard]] const LayerTime& whole() const { return whole_; }

 private:
  struct Entry {
    LayerWidths widths;
    LayerGrid grid;
    std::vector<double> seconds;  // [in][out]
    [[nodiscard]] double at(std::int64_t in, std::int64_t out) const;
  };
  [[nodiscard]] double sum(const Graph& graph) const;

  std::map<std::string, Entry, std::less<>> layers_;
  LayerTime whole_;
  double factor_ = 1;
};

}  // namespace secateur
