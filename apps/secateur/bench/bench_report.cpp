#include "secateur/bench/bench_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "secateur/core/version.h"
#include "secateur/text.h"

namespace secateur::bench {
namespace {

std::string time_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", 1e6 * seconds);
  if (seconds < 1) return fmt::format("{:.2f} ms", 1e3 * seconds);
  return fmt::format("{:.2f} s", seconds);
}

// Whether the digests of two contenders say that they did the same work; summation orders and fp32 differ.
bool agrees(const Result& a, const Result& b) {
  return std::abs(a.digest - b.digest) <= 1e-3 * std::max(std::abs(a.digest), std::abs(b.digest));
}

bool same_case(const Result& a, const Result& b) { return a.kernel == b.kernel && a.shape == b.shape; }

// The first contender of a result's case: the engine's own.
const Result& first_of_case(const std::vector<Result>& results, std::size_t index) {
  while (index > 0 && same_case(results[index - 1], results[index])) --index;
  return results[index];
}

nlohmann::json as_json(const std::vector<Result>& results, std::size_t index) {
  const Result& r = results[index];
  const Result& first = first_of_case(results, index);
  nlohmann::json json{{"kernel", r.kernel},
                      {"shape", r.shape},
                      {"dimensions", r.dimensions},
                      {"implementation", r.implementation},
                      {"bytes", r.work.bytes},
                      {"operations", r.work.operations},
                      {"floor_seconds", r.floor_seconds},
                      {"bound_by", r.memory_bound ? "memory" : "arithmetic"},
                      {"median_seconds", r.median()},
                      {"least_seconds", r.least()},
                      {"most_seconds", r.most()},
                      {"fraction_of_floor", r.fraction()},
                      {"bytes_per_second", r.work.bytes / r.median()},
                      {"operations_per_second", r.work.operations / r.median()},
                      {"seconds", r.seconds}};
  // Null where an implementation has nothing to compare.
  json["digest"] = std::isnan(r.digest) ? nlohmann::json() : nlohmann::json(r.digest);
  json["agrees_with_first"] =
      std::isnan(r.digest) || std::isnan(first.digest) ? nlohmann::json() : nlohmann::json(agrees(r, first));
  return json;
}

}  // namespace

std::string terminal_table(const std::vector<Result>& results) {
  std::vector<std::vector<std::string>> rows{{"kernel, shape", "implementation", "median", "least..most",
                                              "runs", "GB/s", "GFLOP/s", "of floor", ""}};
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Result& r = results[i];
    const Result& first = first_of_case(results, i);
    const bool is_first = &first == &r;
    std::string note;
    if (!is_first) {
      note = fmt::format("{:.2f}x the time", r.median() / first.median());
      if (!std::isnan(r.digest) && !std::isnan(first.digest) && !agrees(r, first)) note += ", RESULT DIFFERS";
    }
    rows.push_back({is_first ? fmt::format("{} {} ({})", r.kernel, r.shape, r.dimensions) : "",
                    r.implementation, time_text(r.median()),
                    fmt::format("{}..{}", time_text(r.least()), time_text(r.most())),
                    std::to_string(r.seconds.size()), fmt::format("{:.1f}", 1e-9 * r.work.bytes / r.median()),
                    fmt::format("{:.1f}", 1e-9 * r.work.operations / r.median()),
                    fmt::format("{:.0f} % {}", 100 * r.fraction(), r.memory_bound ? "mem" : "fma"), note});
  }
  return app::table_text(rows);
}

std::string json_text(const Report& report) {
  const BuildInfo& build = build_info();
  const Ceilings& c = report.ceilings;
  nlohmann::json results = nlohmann::json::array();
  for (std::size_t i = 0; i < report.results.size(); ++i) results.push_back(as_json(report.results, i));
  const nlohmann::json json{
      {"schema", 1},
      {"machine",
       {{"kind", report.device_kind},
        {"device", report.device},
        {"hardware_threads", std::thread::hardware_concurrency()},
        {"load_before", report.load_before},
        {"load_after", report.load_after},
        {"started", report.started}}},
      {"build",
       {{"version", build.version},
        {"commit", build.commit},
        {"compiler", build.compiler},
        {"build_type", build.build_type},
        {"cpu_baseline", build.cpu_baseline},
        {"cuda", build.cuda_version},
        {"libraries", report.libraries}}},
      {"settings",
       {{"kernel", report.options.kernel},
        {"shape", report.options.shape},
        {"precision", name_of(report.options.precision)},
        {"batch", report.options.batch},
        {"seconds", report.options.seconds},
        {"caches", "swept before each run"}}},
      {"ceilings",
       {{"copy_bytes_per_second", c.copy_bytes_per_second},
        {"triad_bytes_per_second", c.triad_bytes_per_second},
        {"fma_operations_per_second", c.fma_per_second},
        {"tensor_core_operations_per_second",
         c.tensor_per_second > 0 ? nlohmann::json(c.tensor_per_second) : nlohmann::json()}}},
      {"results", results}};
  return json.dump(1) + "\n";
}

}  // namespace secateur::bench
