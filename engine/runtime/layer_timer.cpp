#include "secateur/runtime/layer_timer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/core/rng.h"

namespace secateur {
namespace {

// Numbers near one in every storage type: each half of a word is a bfloat16 from 0.008 to 2 and an fp16 from
// 1 to 2, and the word a float of the former size. Inputs that are zeros or no numbers would be told apart by
// a processor.
void fill_with_numbers(std::byte* memory, std::int64_t bytes, Stream& stream) {
  constexpr std::int64_t kBlock = std::int64_t{1} << 20;
  constexpr std::uint32_t kLowest = 0x3C00;
  constexpr std::uint32_t kBelow = 0x4000;
  std::vector<std::uint32_t> block(static_cast<std::size_t>(std::min(kBlock, bytes) + 3) / 4);
  RandomSequence draws(0, RngPurpose::test);
  for (std::uint32_t& word : block) {
    const std::uint32_t half = kLowest + draws.below(kBelow - kLowest);
    word = half << 16U | half;
  }
  for (std::int64_t done = 0; done < bytes; done += kBlock) {
    stream.copy_to_device(memory + done, block.data(), std::min(kBlock, bytes - done));
  }
}

// Of sorted values, interpolated.
double quantile(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return std::lerp(sorted[low], sorted[high], place - std::floor(place));
}

}  // namespace

LayerTime summary_of(std::vector<double> seconds) {
  require(!seconds.empty(), "a median is of one sample at least");
  std::ranges::sort(seconds);
  const double median = quantile(seconds, 0.5);
  return {median, (quantile(seconds, 0.75) - quantile(seconds, 0.25)) / median, std::ssize(seconds)};
}

std::vector<double> samples_of_inference(Model& model, Arena& arena, Stream& stream,
                                         const TimerOptions& options) {
  using Clock = std::chrono::steady_clock;
  Program program(
      model, arena, stream,
      {.batch = options.batch, .mode = ProgramMode::infer, .precision = options.precision, .frozen = true});
  static_cast<void>(program.images());  // the arena is there from here on
  fill_with_numbers(arena.data(), program.planned_bytes(), stream);
  const auto passes = [&](std::int64_t count) {
    const auto start = Clock::now();
    for (std::int64_t i = 0; i < count; ++i) program.forward({});
    stream.synchronize();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  constexpr int kWarmUp = 2;
  constexpr double kSample = 1e-3;
  double warm = 0;
  for (int i = 0; i < kWarmUp; ++i) warm = passes(1);
  const auto count =
      static_cast<std::int64_t>(std::clamp(std::ceil(kSample / std::max(warm, 1e-9)), 1.0, 1e4));
  std::vector<double> samples;
  double total = 0;
  while (std::ssize(samples) < options.samples || total < options.seconds) {
    const double seconds = passes(count);
    total += seconds;
    samples.push_back(std::max(seconds, 1e-9) / static_cast<double>(count));
  }
  return samples;
}

std::vector<double> samples_of_inference(const Graph& graph, Arena& arena, Stream& stream,
                                         const TimerOptions& options) {
  Model model(graph, stream.device());
  model.initialize(1, stream);
  return samples_of_inference(model, arena, stream, options);
}

LayerTime time_of_inference(Model& model, Arena& arena, Stream& stream, const TimerOptions& options) {
  return summary_of(samples_of_inference(model, arena, stream, options));
}

LayerTime time_of_inference(const Graph& graph, Arena& arena, Stream& stream, const TimerOptions& options) {
  return summary_of(samples_of_inference(graph, arena, stream, options));
}

}  // namespace secateur
