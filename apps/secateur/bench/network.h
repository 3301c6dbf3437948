// The network that a benchmark runs, and its costs.
#pragma once

#include <filesystem>

#include "secateur/bench/bench.h"
#include "secateur/run_options.h"
#include "secateur/session.h"

namespace secateur::bench {

// The stored network where `weights` names one, else options.model with random weights: for `images`, or
// (null) for images as the network's builder takes them by itself.
[[nodiscard]] Model network_for(const app::RunOptions& options, const std::filesystem::path& weights,
                                app::Session& session, const data::ImageSet* images = nullptr);

// A training step or an inference of one image by counts: three products a convolution when training, else
// one; and the fewest bytes: training passes 13 times over every convolution's output (written, read for the
// statistics, normalised: read and written, and the same way back), inference twice (written once, read
// once).
[[nodiscard]] Work step_work(const Graph& graph, std::int64_t element_bytes, bool training);

// Seconds for `images` of them that the ceilings allow.
[[nodiscard]] double step_floor(const Work& image, std::int64_t images, const Ceilings& ceilings);

// Seconds that the ceilings allow for an inference, layer by layer: each convolution and linear layer reads
// its input and its weights once, writes its output once, and multiplies; the slower of moving and computing
// counts.
[[nodiscard]] double inference_floor(const Graph& graph, std::int64_t images, std::int64_t element_bytes,
                                     const Ceilings& ceilings);

// The graph with all prunable channels cut at one rate, widths rounded to the nearest multiple of `granule`
// (one granule at least, never past the width there is), so that its multiply-adds come to at most `budget`
// of what they were, as close as one rate allows. Throws Error where even the narrowest network costs more.
[[nodiscard]] Graph uniformly_pruned(const Graph& graph, double budget, std::int64_t granule);

// What several benchmarks take: batches (empty: 1 and 128), and cuts to `budget` of the multiply-adds with
// widths rounded to each of `round_to`. Throw Error for what cannot be.
[[nodiscard]] std::vector<std::int64_t> batches_of(const std::vector<std::int64_t>& given);
void check_cuts(double budget, const std::vector<std::int64_t>& round_to);
// "resnet20, 50 % of the MACs, widths rounded to 8"
[[nodiscard]] std::string cut_name(const std::string& network, double budget, std::int64_t granule);

// The cuts to each of `round_to` that there are; those that even the narrowest network does not meet are said
// on the terminal and left out.
struct Cut {
  std::int64_t granule = 0;
  std::string name;
  Graph graph;
};
[[nodiscard]] std::vector<Cut> cuts_of(const std::string& network, const Graph& graph, double budget,
                                       const std::vector<std::int64_t>& round_to);

// The network as a file that another framework rebuilds (load_safetensors.py).
void write_network(const std::filesystem::path& path, const Model& model, Stream& stream);

}  // namespace secateur::bench
