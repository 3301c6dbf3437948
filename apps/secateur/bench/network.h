// The network that a benchmark runs, and its costs.
#pragma once

#include <filesystem>

#include "secateur/bench/bench.h"
#include "secateur/run_options.h"
#include "secateur/session.h"

namespace secateur::bench {

// The stored network where `weights` names one, else options.model with random weights.
[[nodiscard]] Model network_for(const app::RunOptions& options, const std::filesystem::path& weights,
                                app::Session& session);

// A training step or an inference of one image by counts: three products a convolution when training, else
// one; and the fewest bytes: training passes 13 times over every convolution's output (written, read for the
// statistics, normalised: read and written, and the same way back), inference twice (written once, read
// once).
[[nodiscard]] Work step_work(const Graph& graph, std::int64_t element_bytes, bool training);

// Seconds for `images` of them that the ceilings allow.
[[nodiscard]] double step_floor(const Work& image, std::int64_t images, const Ceilings& ceilings);

// The network as a file that another framework rebuilds (load_safetensors.py).
void write_network(const std::filesystem::path& path, const Model& model, Stream& stream);

}  // namespace secateur::bench
