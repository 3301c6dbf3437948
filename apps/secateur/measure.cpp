#include "secateur/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "secateur/graph/cost.h"
#include "secateur/noise.h"
#include "secateur/text.h"
#include "secateur/train/evaluator.h"

namespace secateur::app {
namespace {

constexpr std::int64_t kThroughputBatch = 256;

// Median milliseconds of a forward pass.
double forward_milliseconds(Model& model, Session& session, std::int64_t batch) {
  Program program(model, session.arena(), session.stream(),
                  {.batch = batch, .precision = session.precision(), .frozen = true});
  fill_with_noise(program.images(), session.stream());
  constexpr int kWarmUp = 3;
  constexpr int kRuns = 15;
  std::vector<double> times;
  for (int run = 0; run < kWarmUp + kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    program.forward({});
    session.stream().synchronize();
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
    if (run >= kWarmUp) times.push_back(elapsed.count());
  }
  std::ranges::nth_element(times, times.begin() + kRuns / 2);
  return times[kRuns / 2];
}

}  // namespace

Measured measure_network(Model& model, Session& session, BatchSource& test,
                         const std::filesystem::path& file) {
  Measured result;
  // What measuring itself takes, at its large batch, is none of the run's.
  result.peak_bytes = session.device().peak_bytes();
  Evaluator evaluator(model, session.arena(), session.stream(), kThroughputBatch, session.precision());
  const Evaluation evaluation = evaluator.run(test);
  const GraphCost cost = cost_of(model.graph());
  result.top1 = evaluation.top1;
  result.top5 = evaluation.top5;
  result.parameters = cost.parameters;
  result.macs = cost.macs;
  result.file_bytes = static_cast<std::int64_t>(std::filesystem::file_size(file));
  result.latency_ms = forward_milliseconds(model, session, 1);
  result.images_per_second =
      kThroughputBatch / (1e-3 * forward_milliseconds(model, session, kThroughputBatch));
  return result;
}

void log_measured(EventSink& log, const std::string& which, const Measured& m) {
  log.write("measured", {{"which", which},
                         {"part", std::string("test")},
                         {"top1", m.top1},
                         {"top5", m.top5},
                         {"parameters", m.parameters},
                         {"macs", m.macs},
                         {"file_bytes", m.file_bytes},
                         {"latency_ms", m.latency_ms},
                         {"images_per_second", m.images_per_second},
                         {"peak_bytes", m.peak_bytes}});
}

std::string before_after_text(const Measured& b, const Measured& a) {
  const auto change = [](double before, double after) { return change_text(before, after); };
  return table_text(
      {{"", "before", "after", "change"},
       {"top-1 accuracy (test)", percent(b.top1), percent(a.top1),
        fmt::format("{:+.2f} points", 100 * (a.top1 - b.top1))},
       {"top-5 accuracy (test)", percent(b.top5), percent(a.top5),
        fmt::format("{:+.2f} points", 100 * (a.top5 - b.top5))},
       {"parameters", grouped(b.parameters), grouped(a.parameters),
        change(static_cast<double>(b.parameters), static_cast<double>(a.parameters))},
       {"multiply-adds", grouped(b.macs), grouped(a.macs),
        change(static_cast<double>(b.macs), static_cast<double>(a.macs))},
       {"file", bytes_text(b.file_bytes), bytes_text(a.file_bytes),
        change(static_cast<double>(b.file_bytes), static_cast<double>(a.file_bytes))},
       {"latency of one image", fmt::format("{:.2f} ms", b.latency_ms),
        fmt::format("{:.2f} ms", a.latency_ms), change(b.latency_ms, a.latency_ms)},
       {"images/s at batch 256", fmt::format("{:.0f}", b.images_per_second),
        fmt::format("{:.0f}", a.images_per_second), change(b.images_per_second, a.images_per_second)}});
}

}  // namespace secateur::app
