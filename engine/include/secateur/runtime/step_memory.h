// Memory of a step, known by compiling its program and not running it. On a device that is only described
// (backend/cuda.h) this tells what a GPU would need that is not there.
#pragma once

#include <cstdint>

#include "secateur/backend/kernel.h"
#include "secateur/core/device.h"
#include "secateur/graph/graph.h"
#include "secateur/runtime/program.h"

namespace secateur {

struct StepOptions {
  std::int64_t batch = 128;
  Precision precision = Precision::fp32;
  bool training = true;
  bool frozen = false;            // of an inference: batch norms are folded into filters where the device can
  bool fuse_convolutions = true;  // of training (ProgramOptions)
};

struct StepMemory {
  std::int64_t model = 0;        // parameters and statistics; with gradients and momentum when training
  std::int64_t step = 0;         // peak of maps, gradients, kept values and workspaces
  std::int64_t lower_bound = 0;  // of `step`: no placement of these buffers needs less
  [[nodiscard]] std::int64_t step_alone() const { return step; }
  [[nodiscard]] std::int64_t total() const { return model + step; }
};

// Throws Error when an op has no kernel for the device, precision or shape.
[[nodiscard]] StepMemory step_memory(const Graph& graph, Device& device, const StepOptions& options);
// The same on a stream of the caller's, whose plans of convolutions are used again.
[[nodiscard]] StepMemory step_memory(const Graph& graph, Stream& stream, const StepOptions& options);

// The largest batch whose step fits into `bytes`, to within one part in a hundred, found by compiling at
// several batches (options.batch is where the search begins); 0: not even one image fits.
[[nodiscard]] std::int64_t largest_batch(const Graph& graph, Device& device, const StepOptions& options,
                                         std::int64_t bytes);
// The same for a model that lies on its device already: `bytes` are for the step alone.
[[nodiscard]] std::int64_t largest_batch(Model& model, Stream& stream, const StepOptions& options,
                                         std::int64_t bytes);

// Throws Error with the figures, and the largest batch that would fit, where the device tells how much memory
// it has left (Device::free_bytes) and `step_bytes` are more than that and what the arena would give back.
void require_step_fits(Model& model, const Arena& arena, Stream& stream, const StepOptions& options,
                       std::int64_t step_bytes);

}  // namespace secateur
