#include "experiments/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "secateur/core/error.h"

namespace secateur::experiments {
namespace {

using app::Measured;
using app::RunHistory;

Spread over(const std::vector<RunHistory>& runs, const std::function<double(const RunHistory&)>& value) {
  std::vector<double> values;
  for (const RunHistory& run : runs) values.push_back(value(run));
  return spread_of(values);
}

// Of the last round that a run went through; NaN where there is none.
double of_last_round(const RunHistory& run, double app::RoundRecord::*value) {
  return run.rounds.empty() ? std::numeric_limits<double>::quiet_NaN() : run.rounds.rbegin()->second.*value;
}

Cell unless_unknown(const Spread& spread, Cell cell) {
  return std::isnan(spread.mean) ? Cell{} : std::move(cell);
}

// Part that is gone.
Spread reduction(const std::vector<RunHistory>& runs, std::int64_t Measured::*count) {
  return over(runs, [count](const RunHistory& run) {
    return 1.0 - static_cast<double>(run.measured.at("after").*count) /
                     static_cast<double>(run.measured.at("before").*count);
  });
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  require(!values.empty(), "there are no runs to take the mean of");
  Spread result;
  result.count = static_cast<std::int64_t>(values.size());
  const auto n = static_cast<double>(values.size());
  for (const double value : values) result.mean += value / n;
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.deviation = std::sqrt(squares / (n - 1));
  return result;
}

Cell percent_cell(const Spread& fraction) {
  if (fraction.count < 2) return {fmt::format("{:.2f} %", 100 * fraction.mean), fraction.mean};
  return {fmt::format("{:.2f} ± {:.2f} %", 100 * fraction.mean, 100 * fraction.deviation), fraction.mean};
}

Cell number_cell(double value, int digits) { return {fmt::format("{:.{}f}", value, digits), value}; }

Cell published_cell(std::optional<double> value) {
  return value ? Cell{fmt::format("{:.2f}", *value), value} : Cell{};
}

std::vector<std::string> result_header() {
  return {"top-1 before",
          "top-1 after",
          "change (points)",
          "parameters removed",
          "FLOPs removed",
          "latency before (ms)",
          "latency after (ms)",
          "images/s before",
          "images/s after",
          "top-5 after",
          "parameters",
          "multiply-adds",
          "validation: before fine-tuning",
          "validation: last epoch",
          "validation: best epoch",
          "minutes",
          "peak memory (MiB)"};
}

std::vector<Cell> result_cells(const std::vector<RunHistory>& runs) {
  const auto before = [](const RunHistory& run) -> const Measured& { return run.measured.at("before"); };
  const auto after = [](const RunHistory& run) -> const Measured& { return run.measured.at("after"); };
  const Spread change =
      over(runs, [&](const RunHistory& run) { return 100 * (after(run).top1 - before(run).top1); });
  const auto validation = [&](double app::RoundRecord::*value) {
    const Spread spread = over(runs, [&](const RunHistory& run) { return of_last_round(run, value); });
    return unless_unknown(spread, percent_cell(spread));
  };
  const auto mean_of = [&](const std::function<double(const RunHistory&)>& value, int digits) {
    const double mean = over(runs, value).mean;
    return mean > 0 ? number_cell(mean, digits) : Cell{};
  };
  constexpr double kMebibyte = 1 << 20;
  return {
      percent_cell(over(runs, [&](const RunHistory& run) { return before(run).top1; })),
      percent_cell(over(runs, [&](const RunHistory& run) { return after(run).top1; })),
      number_cell(change.mean, 2),
      percent_cell(reduction(runs, &Measured::parameters)),
      percent_cell(reduction(runs, &Measured::macs)),
      number_cell(over(runs, [&](const RunHistory& run) { return before(run).latency_ms; }).mean, 2),
      number_cell(over(runs, [&](const RunHistory& run) { return after(run).latency_ms; }).mean, 2),
      number_cell(over(runs, [&](const RunHistory& run) { return before(run).images_per_second; }).mean, 0),
      number_cell(over(runs, [&](const RunHistory& run) { return after(run).images_per_second; }).mean, 0),
      percent_cell(over(runs, [&](const RunHistory& run) { return after(run).top5; })),
      mean_of([&](const RunHistory& run) { return static_cast<double>(after(run).parameters); }, 0),
      mean_of([&](const RunHistory& run) { return static_cast<double>(after(run).macs); }, 0),
      validation(&app::RoundRecord::removed),
      validation(&app::RoundRecord::accuracy),
      validation(&app::RoundRecord::best),
      mean_of([](const RunHistory& run) { return run.seconds / 60; }, 1),
      mean_of([&](const RunHistory& run) { return static_cast<double>(after(run).peak_bytes) / kMebibyte; },
              0)};
}

std::vector<std::string> cautions(const std::vector<std::vector<RunHistory>>& arms) {
  constexpr double kWeakBaseline = 0.8;
  std::vector<std::string> notes;
  double baseline = 1;
  std::vector<Spread> accuracies;
  for (const auto& runs : arms) {
    baseline = std::min(
        baseline, over(runs, [](const RunHistory& run) { return run.measured.at("before").top1; }).mean);
    accuracies.push_back(over(runs, [](const RunHistory& run) { return run.measured.at("after").top1; }));
  }
  if (baseline < kWeakBaseline) {
    notes.push_back(
        fmt::format("a baseline is at {:.2f} %, below 80 %: this is no result on accuracy", 100 * baseline));
  }
  const auto steered_by_test = [](const RunHistory& run) {
    const auto fact = run.facts.find("steered_by");
    return fact != run.facts.end() && fact->second == "test";
  };
  if (std::ranges::any_of(arms,
                          [&](const auto& runs) { return std::ranges::any_of(runs, steered_by_test); })) {
    notes.emplace_back("steered by the test images, as the paper apparently is: no independent measurement");
  }
  if (accuracies.empty()) return notes;
  if (std::ranges::any_of(accuracies, [](const Spread& s) { return s.count < 2; })) {
    notes.emplace_back("one seed: differences between rows have no known deviation");
    return notes;
  }
  const auto [low, high] = std::ranges::minmax(accuracies, {}, &Spread::mean);
  const double widest = std::ranges::max(accuracies, {}, &Spread::deviation).deviation;
  if (high.mean - low.mean <= widest) {
    notes.push_back(
        fmt::format("all rows lie within {:.2f} points, the largest deviation over seeds is {:.2f}",
                    100 * (high.mean - low.mean), 100 * widest));
  }
  return notes;
}

}  // namespace secateur::experiments
