// Measures forward passes: of one layer for the table of layer times, or of a network.
#pragma once

#include <cstdint>
#include <vector>

#include "secateur/runtime/layer_times.h"
#include "secateur/runtime/program.h"

namespace secateur {

struct TimerOptions {
  std::int64_t batch = 1;
  Precision precision = Precision::fp32;
  double seconds = 0.02;     // measure for so long at least, after a warm-up
  std::int64_t samples = 7;  // and take so many samples at least
};

// The graph's inference on the stream's device, with random weights and inputs and frozen parameters: the
// median of samples, each the mean of as many passes as last a millisecond, and a wait for the device at its
// end. Throws Error where the device cannot run the graph.
[[nodiscard]] LayerTime time_of_inference(const Graph& graph, Arena& arena, Stream& stream,
                                          const TimerOptions& options);
// The same of a model as it is.
[[nodiscard]] LayerTime time_of_inference(Model& model, Arena& arena, Stream& stream,
                                          const TimerOptions& options);

// The samples themselves, for a time that is taken in several visits: where a machine is slower at one moment
// than at another, times that were taken in turns can still be compared.
[[nodiscard]] std::vector<double> samples_of_inference(const Graph& graph, Arena& arena, Stream& stream,
                                                       const TimerOptions& options);
[[nodiscard]] std::vector<double> samples_of_inference(Model& model, Arena& arena, Stream& stream,
                                                       const TimerOptions& options);

// Median and spread of samples.
[[nodiscard]] LayerTime summary_of(std::vector<double> seconds);

}  // namespace secateur
