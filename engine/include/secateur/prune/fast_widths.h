// Multiples to which widths are rounded so that a device keeps its fast path: `--round-to auto`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "secateur/graph/channel_space.h"
#include "secateur/runtime/network_plan.h"

namespace secateur {

struct FastWidth {
  std::string space;
  std::int64_t width = 0;
  std::int64_t multiple = 1;
  std::string reason;  // why this one and no smaller one
};

// Of the spaces with these indices, on a host: whole vectors where maps are stored in whole vectors.
[[nodiscard]] std::vector<FastWidth> fast_widths_of_host(const Graph& graph, const ChannelSpaces& spaces,
                                                         std::span<const std::int64_t> prunable);

// On a GPU, which may be described only. In 16 bits maps are stored in multiples of 8, so 8. In fp32 and tf32
// the least of 1, 2, 4 and 8 at which no convolution that makes or reads the space loses a fast engine
// (WidthLoss): all spaces are cut to about three quarters, to widths that are multiples of that number and no
// more, and planned.
[[nodiscard]] std::vector<FastWidth> fast_widths_of_gpu(const Graph& graph, const ChannelSpaces& spaces,
                                                        std::span<const std::int64_t> prunable,
                                                        const GpuDescription& gpu,
                                                        const NetworkPlanOptions& options,
                                                        const EngineFinder& find);

// "layer1.0.conv1" of the convolutions whose stored widths lose a fast path on the host, or have idle lanes
// there: an empty list for a network of whole vectors.
struct SlowWidth {
  std::string layer;
  std::int64_t in = 0;
  std::int64_t out = 0;
  double idle = 0;  // part of the multiply-adds on lanes that hold nothing
};
[[nodiscard]] std::vector<SlowWidth> slow_widths_of_host(const Graph& graph);

}  // namespace secateur
