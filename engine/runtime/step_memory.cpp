#include "secateur/runtime/step_memory.h"

#include <algorithm>
#include <optional>

#include "secateur/core/error.h"
#include "secateur/runtime/program.h"

namespace secateur {
namespace {

StepMemory memory_of(Model& model, Stream& stream, const StepOptions& options) {
  Arena arena(model.device());
  const Program program(model, arena, stream,
                        {.batch = options.batch,
                         .mode = options.training ? ProgramMode::train : ProgramMode::infer,
                         .precision = options.precision,
                         .fuse_convolutions = options.fuse_convolutions,
                         .frozen = options.frozen});
  const ParameterLayout& layout = model.layout();
  const std::int64_t values = layout.value_elements() * size_of(model.dtype());
  return {options.training ? layout.bytes(model.dtype()) : values, program.planned_bytes(),
          program.lower_bound_bytes()};
}

// Memory grows nearly in proportion to the batch, so that two known points name the next to try.
std::int64_t search_batch(Model& model, Stream& stream, const StepOptions& options,
                          std::int64_t (StepMemory::*counted)() const, std::int64_t bytes) {
  require(options.batch >= 1, "a batch has at least one image, got {}", options.batch);
  // A batch so large that an op refuses its sizes fits no memory either.
  constexpr std::int64_t kNever = std::int64_t{1} << 60;
  const auto total = [&](std::int64_t batch) {
    StepOptions at = options;
    at.batch = batch;
    if (batch == 1) return (memory_of(model, stream, at).*counted)();
    try {
      return (memory_of(model, stream, at).*counted)();
    } catch (const Error&) {
      return kNever;
    }
  };
  std::int64_t fitting = 1;
  std::int64_t fitting_bytes = total(1);
  if (fitting_bytes > bytes) return 0;
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  std::int64_t too_large = kMost;
  std::int64_t next = std::max<std::int64_t>(options.batch, 2);
  while (too_large - fitting > std::max<std::int64_t>(fitting / 100, 1)) {
    const std::int64_t needed = total(next);
    if (needed <= bytes) {
      const double slope = static_cast<double>(needed - fitting_bytes) / static_cast<double>(next - fitting);
      fitting = next;
      fitting_bytes = needed;
      const double more = static_cast<double>(bytes - needed) / std::max(slope, 1.0);
      next = fitting + std::max<std::int64_t>(static_cast<std::int64_t>(std::min(more, 1e7)), 1);
    } else {
      too_large = next;
      const double slope = static_cast<double>(needed - fitting_bytes) / static_cast<double>(next - fitting);
      next = fitting + static_cast<std::int64_t>(static_cast<double>(bytes - fitting_bytes) / slope);
    }
    // Between the two, and once there are two never so near to either that the search would creep.
    const std::int64_t step = too_large == kMost ? 1 : std::max<std::int64_t>((too_large - fitting) / 50, 1);
    next = std::clamp(next, fitting + step, std::max(too_large - step, fitting + step));
  }
  return fitting;
}

double mebibytes(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

StepMemory step_memory(const Graph& graph, Device& device, const StepOptions& options) {
  return step_memory(graph, *device.make_stream(), options);
}

StepMemory step_memory(const Graph& graph, Stream& stream, const StepOptions& options) {
  Model model(graph, stream.device());
  return memory_of(model, stream, options);
}

std::int64_t largest_batch(const Graph& graph, Device& device, const StepOptions& options,
                           std::int64_t bytes) {
  const auto stream = device.make_stream();
  Model model(graph, device);
  return search_batch(model, *stream, options, &StepMemory::total, bytes);
}

std::int64_t largest_batch(Model& model, Stream& stream, const StepOptions& options, std::int64_t bytes) {
  return search_batch(model, stream, options, &StepMemory::step_alone, bytes);
}

void require_step_fits(Model& model, const Arena& arena, Stream& stream, const StepOptions& options,
                       std::int64_t step_bytes) {
  const std::optional<std::int64_t> free = model.device().free_bytes();
  if (!free) return;
  const std::int64_t room = *free + arena.bytes();
  if (step_bytes <= room) return;
  const std::int64_t fits = largest_batch(model, stream, options, room);
  fail(
      "a step at batch {} in {} needs {:.1f} MiB for maps, gradients and workspaces, and {:.1f} MiB are "
      "free: {}",
      options.batch, name_of(options.precision), mebibytes(step_bytes), mebibytes(room),
      fits > 0 ? fmt::format("a batch of {} fits", fits) : "not even one image fits");
}

}  // namespace secateur
