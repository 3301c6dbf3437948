// Tables 1, 2, 3, 9 and 10 of the paper.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "experiments/definitions.h"

namespace secateur::experiments {
namespace {

using app::RunOptions;

// Rows of Tables 2 and 3: accuracy after (%), parameters and FLOPs removed (%), as printed.
struct Published {
  const char* model;
  const char* rate;
  double top1, parameters, flops;
  std::optional<double> top5 = std::nullopt;
};
struct PublishedTable {
  const char* data;
  std::vector<Published> rows;
};

const PublishedTable& table2_rows() {
  static const PublishedTable table{"cifar10",
                                    {{"vgg16", "30 %", 93.76, 78.3, 55.6},
                                     {"vgg16", "50 %", 93.49, 92.8, 65.2},
                                     {"vgg19", "30 %", 93.78, 55.8, 45.6},
                                     {"vgg19", "50 %", 93.66, 78.2, 62.2},
                                     {"resnet56", "30 %", 93.68, 60.1, 62.4},
                                     {"resnet56", "50 %", 93.57, 68.5, 72.0},
                                     {"resnet32", "30 %", 92.68, 39.3, 41.1},
                                     {"resnet32", "50 %", 92.45, 53.1, 52.2}}};
  return table;
}
const PublishedTable& table3_rows() {
  static const PublishedTable table{
      "imagefolder",
      {{"resnet50", "30 %", 75.89, 44.9, 51.8, 93.04}, {"resnet50", "50 %", 75.67, 50.1, 52.2, 92.89}}};
  return table;
}

std::string name_of(const Published& row, const std::string& model) {
  return fmt::format("{} at the FLOPs of {} at {}", model, row.model, row.rate);
}

// Equal cost is what makes rows comparable: a point is cut to the FLOPs that the paper reports.
Point point_of(const Published& row, RunOptions options) {
  options.prune.width.mode = WidthMode::target;
  options.prune.budget.fraction = 1 - row.flops / 100;
  return {name_of(row, options.model.name), options};
}

std::vector<Point> table2_points(const RunOptions& base, Scale scale) {
  std::vector<Point> points;
  for (const Published& row : table2_rows().rows) {
    // Smaller sizes stand in with one network, cut as ResNet-32 was.
    if (scale != Scale::full && std::string_view(row.model) != "resnet32") continue;
    RunOptions options = base;
    if (scale == Scale::full) options.model.name = row.model;
    points.push_back(point_of(row, options));
  }
  return points;
}

// Both of the paper's budgets, with the trunks of the stages and without: the paper does not say which it
// pruned.
std::vector<Point> table3_points(const RunOptions& base, Scale scale) {
  std::vector<Point> points;
  for (const PruneScope scope : {PruneScope::all, PruneScope::inner}) {
    for (const Published& row : table3_rows().rows) {
      if (scale == Scale::smoke && !points.empty()) continue;
      RunOptions options = base;
      options.prune.scope = scope;
      Point point = point_of(row, options);
      if (scope == PruneScope::inner) point.name += ", inner channels alone";
      points.push_back(std::move(point));
    }
  }
  return points;
}

// The table of the runs with the paper's columns beside.
Findings beside(const PublishedTable& published, const std::vector<Outcome>& outcomes) {
  Findings findings = compared(outcomes);
  const bool has_top5 = published.rows.front().top5.has_value();
  findings.table.header.emplace_back("paper: top-1 after");
  if (has_top5) findings.table.header.emplace_back("paper: top-5 after");
  findings.table.header.emplace_back("paper: parameters removed");
  findings.table.header.emplace_back("paper: FLOPs removed");
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const RunOptions& options = outcomes[i].point.options;
    for (const Published& row : published.rows) {
      if (!outcomes[i].point.name.starts_with(name_of(row, options.model.name))) continue;
      // A stand-in has nothing of the paper's to be set beside.
      const bool same = options.model.name == row.model && options.data.name == published.data;
      const auto add = [&](std::optional<double> value) {
        findings.table.rows[i].push_back(published_cell(same ? value : std::nullopt));
      };
      add(row.top1);
      if (has_top5) add(row.top5);
      add(row.parameters);
      add(row.flops);
    }
  }
  return findings;
}

Findings table2_findings(const std::vector<Outcome>& outcomes) { return beside(table2_rows(), outcomes); }

Findings table3_findings(const std::vector<Outcome>& outcomes) {
  Findings findings = beside(table3_rows(), outcomes);
  findings.notes.emplace_back(
      "The paper: ResNet-50 on ImageNet, 76.32 % top-1 and 93.26 % top-5 before pruning. Its figures stand "
      "beside a "
      "run on any folder of images; only one of ImageNet itself is comparable.");
  return findings;
}

std::vector<Point> weights_points(const RunOptions& base, Scale /*scale*/) {
  std::vector<Point> points;
  for (const WeightsMode mode : {WeightsMode::dynamic, WeightsMode::constant}) {
    RunOptions options = base;
    options.prune.controller.weights = mode;
    points.push_back({mode == WeightsMode::dynamic ? "dynamic weights" : "fixed weights", options});
  }
  return points;
}

std::vector<Point> table1_points(const RunOptions& base, Scale scale) {
  std::vector<Point> points{{"as given", base}};
  const auto vary = [&](const char* name, double ControllerOptions::*field,
                        const std::vector<double>& values) {
    if (scale == Scale::smoke && points.size() > 1) return;  // one of them shows that it works
    for (const double value : values) {
      RunOptions options = base;
      if (options.prune.controller.*field == value) continue;
      options.prune.controller.*field = value;
      points.push_back({fmt::format("{} = {}", name, value), options});
    }
  };
  vary("alpha_start", &ControllerOptions::alpha_start, {0.6, 0.7, 0.8, 0.9});
  vary("alpha_end", &ControllerOptions::alpha_end, {0.1, 0.2, 0.3, 0.4});
  vary("beta_start", &ControllerOptions::beta_start, {0.1, 0.2, 0.3, 0.4});
  vary("beta_end", &ControllerOptions::beta_end, {0.6, 0.7, 0.8, 0.9});
  vary("gamma", &ControllerOptions::gamma, {0.01, 0.03, 0.05, 0.1});
  return points;
}

// S = E|delta| / gamma with delta the relative change of the validation accuracy in a round, and K as the
// largest |delta| over the change of (alpha, beta) between rounds.
Findings table9_findings(const std::vector<Outcome>& outcomes) {
  Findings findings;
  findings.table.header = {"run", "E|delta|", "S = E|delta| / gamma", "K, estimated", "rounds"};
  for (const Outcome& outcome : outcomes) {
    std::vector<double> stability;
    double mean_change = 0;
    double steepest = 0;
    std::int64_t rounds = 0;
    for (const app::RunHistory& run : outcome.runs) {
      double sum = 0;
      const app::RoundRecord* previous = nullptr;
      for (const auto& [index, round] : run.rounds) {
        const double delta = std::abs(round.accuracy - round.accuracy_before) / round.accuracy_before;
        sum += delta;
        if (previous != nullptr) {
          const double moved = std::hypot(round.alpha - previous->alpha, round.beta - previous->beta);
          if (moved > 0) steepest = std::max(steepest, delta / moved);
        }
        previous = &round;
      }
      rounds += static_cast<std::int64_t>(run.rounds.size());
      const double mean = sum / static_cast<double>(std::max<std::size_t>(run.rounds.size(), 1));
      mean_change += mean / static_cast<double>(outcome.runs.size());
      stability.push_back(mean / outcome.point.options.prune.controller.gamma);
    }
    const Spread s = spread_of(stability);
    const std::string text =
        s.count > 1 ? fmt::format("{:.3f} ± {:.3f}", s.mean, s.deviation) : fmt::format("{:.3f}", s.mean);
    const bool moves = outcome.point.options.prune.controller.weights == WeightsMode::dynamic;
    findings.table.rows.push_back({Cell{outcome.point.name}, number_cell(mean_change, 4), Cell{text, s.mean},
                                   moves ? number_cell(steepest, 3) : Cell{"weights do not move"},
                                   number_cell(static_cast<double>(rounds), 0)});
  }
  findings.notes.emplace_back(
      "The paper: S of 0.18 and 0.22 with dynamic, 1.27 and 1.83 with fixed weights; K = 8.7. Both arms are "
      "divided by "
      "the same gamma here, though fixed weights do not use it.");
  return findings;
}

}  // namespace

Experiment table1() {
  return {"table1", "Table 1: the weights' range and gamma",
          "One setting of the schedule changed at a time, all else as given", table1_points, compared};
}

Experiment table2() {
  return {"table2", "Table 2: four networks on CIFAR-10, cut to the paper's FLOPs",
          "Accuracy, parameters and FLOPs beside the paper's", table2_points, table2_findings};
}

Experiment table3() {
  Experiment experiment{"table3", "Table 3: ResNet-50 on a folder of images, cut to the paper's FLOPs",
                        "Top-1 and top-5 beside the paper's; all channels, and inner ones alone",
                        table3_points, table3_findings};
  experiment.model = "resnet50";
  experiment.data = "imagefolder";
  return experiment;
}

Experiment table9() {
  return {"table9", "Table 9: stability of dynamic and fixed weights",
          "How much a round changes the accuracy, against gamma", weights_points, table9_findings};
}

Experiment table10() {
  return {"table10", "Table 10: fixed against dynamic weights",
          "The same network pruned to the same budget with both", weights_points, compared};
}

Experiment compare() {
  return {"compare", "Tables 4 to 8: criteria from one checkpoint, at equal FLOPs and equal epochs",
          "The method, its parts, its ablations, other criteria, and the control", compare_points,
          compared_with_fronts};
}

}  // namespace secateur::experiments
