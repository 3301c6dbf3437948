// secateur bench score: what it costs to score every channel of a network, beside a plain forward pass over
// the same images.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "secateur/bench/report_head.h"
#include "secateur/commands.h"
#include "secateur/core/error.h"
#include "secateur/core/version.h"
#include "secateur/models/models.h"
#include "secateur/noise.h"
#include "secateur/prune/scope.h"
#include "secateur/prune/scorer.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

template <class Work>
double seconds_of(Stream& stream, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  stream.synchronize();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

int run_bench_score(const RunOptions& options, const ScoreBenchOptions& bench) {
  require(bench.images >= 1 && bench.batch >= 1 && bench.runs >= 1,
          "--images, --batch and --runs are at least 1, got {}, {} and {}", bench.images, bench.batch,
          bench.runs);
  Session session(options.run);
  Graph graph =
      models::build(options.model.name, {.shortcut = options.model.shortcut, .head = options.model.head});
  const MapShape image = graph.shape(0);
  const std::int64_t classes = graph.shape(graph.output()).channels;
  const std::vector<std::int64_t> prunable =
      prunable_spaces(graph, ChannelSpaces(graph), PruneScope::all, {});
  Model model(std::move(graph), session.device());
  model.initialize(options.run.seed, session.stream());
  const std::int64_t batch = std::min(bench.batch, bench.images);
  const std::int64_t images = bench.images / batch * batch;  // whole batches for both
  NoiseImages source(image, classes, images);

  Program program(model, session.arena(), session.stream(),
                  {.batch = batch, .precision = session.precision()});
  const auto forward = [&] {
    for (std::int64_t first = 0; first < images; first += batch) {
      source.fill(first, batch, session.stream(), program.images(), {});
      program.forward({});
    }
  };
  // As the pruning loop does it, the program that scores compiled anew each time.
  Scorer scorer(model, session.arena(), session.stream(),
                {.images = images, .batch = batch, .precision = session.precision()});
  const auto score = [&] {
    static_cast<void>(scorer.measure(prunable, {.filter_norms = true, .redundancy = true}, false, source, 0));
  };
  forward();
  score();
  std::vector<double> forward_seconds;
  std::vector<double> score_seconds;
  for (std::int64_t run = 0; run < bench.runs; ++run) {  // in turns, so that both see the same machine
    forward_seconds.push_back(seconds_of(session.stream(), forward));
    score_seconds.push_back(seconds_of(session.stream(), score));
  }
  const double ratio = median(score_seconds) / median(forward_seconds);
  fmt::print("{} on {}, {} images in batches of {}, {} runs in turns, medians\n", options.model.name,
             session.device().description(), images, batch, bench.runs);
  fmt::print(
      "{}", table_text({{"", "ms", "against forward"},
                        {"forward pass", fmt::format("{:.1f}", 1e3 * median(forward_seconds)), "1.00"},
                        {"filter norms and redundancy of all channels",
                         fmt::format("{:.1f}", 1e3 * median(score_seconds)), fmt::format("{:.2f}", ratio)}}));
  const nlohmann::json report{{"model", options.model.name},
                              {"device", session.device().description()},
                              {"precision", name_of(session.precision())},
                              {"images", images},
                              {"batch", batch},
                              {"forward_seconds", forward_seconds},
                              {"score_seconds", score_seconds},
                              {"ratio_of_medians", ratio},
                              {"commit", build_info().commit}};
  bench::write_report(bench.json, report);
  return 0;
}

}  // namespace secateur::app
