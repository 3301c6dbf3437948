// Which graph a Program runs: the model's, with what its mode, options and device let be joined.
#pragma once

#include <vector>

#include "secateur/core/device.h"
#include "secateur/graph/conv_fusion.h"
#include "secateur/runtime/model.h"
#include "secateur/runtime/program.h"

namespace secateur {

struct ExecutedGraph {
  FusedGraph fused;
  std::vector<ConvFusionChoice> conv_fusions;  // one a convolution; empty where none could be fused
};

// `plain` is the model's graph, for images of the options' size. The device is asked for each convolution
// whether it can take part of batch norm's work along at these widths.
[[nodiscard]] ExecutedGraph executed_graph(const Model& model, const Graph& plain, Stream& stream,
                                           const ProgramOptions& options);

// Channels that are stored of a map. Where no padding is set, as a host stores it.
[[nodiscard]] std::int64_t stored_channels(const MapShape& shape, const ProgramOptions& options);

}  // namespace secateur
