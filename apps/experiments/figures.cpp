// Figures 2 and 4 (with 6) of the paper.
#include <fmt/format.h>

#include <map>

#include "experiments/definitions.h"
#include "secateur/report/chart.h"

namespace secateur::experiments {
namespace {

using app::RoundRecord;
using app::RunHistory;
using app::RunOptions;
using report::Series;

// A value of every round: mean and deviation over the seeds that got so far.
Series by_round(const std::string& name, const std::vector<RunHistory>& runs, double RoundRecord::*value,
                double factor = 1) {
  std::map<std::int64_t, std::vector<double>> values;
  for (const RunHistory& run : runs) {
    for (const auto& [index, round] : run.rounds) values[index].push_back(factor * round.*value);
  }
  Series series{.name = name, .points = {}, .dots = true};
  for (const auto& [index, of_round] : values) {
    const Spread spread = spread_of(of_round);
    series.points.emplace_back(static_cast<double>(index), spread.mean);
    if (runs.size() > 1) series.deviations.push_back(spread.deviation);
  }
  return series;
}

// The accuracy after each round by what the FLOPs removed came to there, both in % and in the mean over the
// seeds; deviations are the accuracy's.
Series by_flops(const std::string& name, const std::vector<RunHistory>& runs) {
  std::map<std::int64_t, std::vector<double>> removed;
  for (const RunHistory& run : runs) {
    const auto whole = static_cast<double>(run.measured.at("before").macs);
    for (const auto& [index, round] : run.rounds)
      removed[index].push_back(100 * (1 - static_cast<double>(round.macs) / whole));
  }
  Series series = by_round(name, runs, &RoundRecord::accuracy, 100);
  auto point = series.points.begin();
  for (const auto& [index, of_round] : removed) (point++)->first = spread_of(of_round).mean;
  return series;
}

std::vector<Point> fig2_points(const RunOptions& base, Scale /*scale*/) {
  RunOptions scheduled = base;
  scheduled.prune.controller.gamma = 0;
  return {{"with feedback", base}, {"schedule alone (gamma = 0)", scheduled}};
}

Findings fig2_findings(const std::vector<Outcome>& outcomes) {
  Findings findings = compared(outcomes);
  std::vector<Series> series;
  for (const Outcome& outcome : outcomes) {
    const bool dashed = &outcome != &outcomes.front();
    for (Series line : {by_round("alpha, " + outcome.point.name, outcome.runs, &RoundRecord::alpha),
                        by_round("beta, " + outcome.point.name, outcome.runs, &RoundRecord::beta)}) {
      line.dashed = dashed;
      series.push_back(std::move(line));
    }
  }
  findings.figures.push_back(
      {"weights", report::line_chart(series, {.title = "The weights over the rounds (Eqs. 15 and 17)",
                                              .x_label = "round",
                                              .y_label = "weight"})});
  return findings;
}

std::vector<Point> fig4_points(const RunOptions& base, Scale scale) {
  std::vector<Point> points;
  std::vector<double> gammas{0, 0.01, 0.03, 0.05, 0.1};
  if (scale == Scale::smoke) gammas = {0, 0.1};
  for (const double gamma : gammas) {
    RunOptions options = base;
    options.prune.controller.gamma = gamma;
    points.push_back({fmt::format("gamma = {}", gamma), options});
  }
  return points;
}

Findings fig4_findings(const std::vector<Outcome>& outcomes) {
  Findings findings = compared(outcomes);
  std::vector<Series> accuracy;
  std::vector<Series> trade_off;
  for (const Outcome& outcome : outcomes) {
    accuracy.push_back(by_round(outcome.point.name, outcome.runs, &RoundRecord::accuracy, 100));
    trade_off.push_back(by_flops(outcome.point.name, outcome.runs));
  }
  findings.figures.push_back(
      {"accuracy", report::line_chart(accuracy, {.title = "Accuracy after each round, mean over seeds",
                                                 .x_label = "round",
                                                 .y_label = "validation accuracy (%)"})});
  findings.figures.push_back(
      {"trade-off", report::line_chart(trade_off, {.title = "Accuracy against FLOPs removed, mean over seeds",
                                                   .x_label = "FLOPs removed (%)",
                                                   .y_label = "validation accuracy (%)"})});
  return findings;
}

}  // namespace

Experiment fig2() {
  return {"fig2", "Figure 2: the weights' schedule and their way in a real run",
          "alpha and beta with and without feedback", fig2_points, fig2_findings};
}

Experiment fig4() {
  return {"fig4", "Figures 4 and 6: the feedback's sensitivity gamma",
          "Accuracy by round and against the FLOPs removed, for five gammas", fig4_points, fig4_findings};
}

}  // namespace secateur::experiments
