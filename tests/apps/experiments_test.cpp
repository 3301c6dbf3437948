// Experiments: the parts that make tables, and whole ones at smoke size.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "experiments/archive.h"
#include "experiments/pareto.h"
#include "secateur/core/error.h"
#include "secateur/io/files.h"
#include "secateur/process.h"
#include "test_paths.h"

namespace secateur::experiments {
namespace {

app::RunHistory run_with(double before, double after) {
  app::RunHistory run;
  run.measured["before"] = {.top1 = before,
                            .top5 = 1,
                            .parameters = 200,
                            .macs = 1000,
                            .file_bytes = 1,
                            .latency_ms = 2,
                            .images_per_second = 100};
  run.measured["after"] = {.top1 = after,
                           .top5 = 1,
                           .parameters = 50,
                           .macs = 400,
                           .file_bytes = 1,
                           .latency_ms = 1,
                           .images_per_second = 150};
  return run;
}

TEST(Findings, SpreadIsMeanAndSampleDeviation) {
  const Spread spread = spread_of({1, 2, 3, 6});
  EXPECT_DOUBLE_EQ(spread.mean, 3);
  EXPECT_NEAR(spread.deviation, std::sqrt(14.0 / 3), 1e-12);
  EXPECT_EQ(spread_of({5}).deviation, 0);
  EXPECT_THROW((void)spread_of({}), Error);
}

TEST(Findings, ColumnsAreOfTheMeasuredRuns) {
  const std::vector<Cell> cells = result_cells({run_with(0.9, 0.88), run_with(0.92, 0.86)});
  ASSERT_EQ(cells.size(), result_header().size());
  EXPECT_NEAR(*cells[0].value, 0.91, 1e-12);
  EXPECT_NEAR(*cells[1].value, 0.87, 1e-12);
  EXPECT_NEAR(*cells[2].value, -4, 1e-9);
  EXPECT_NEAR(*cells[3].value, 0.75, 1e-12);
  EXPECT_NEAR(*cells[4].value, 0.6, 1e-12);
  EXPECT_EQ(cells[1].text, "87.00 ± 1.41 %");
}

// Validation accuracy of the last round, time and memory: from the log, or empty.
TEST(Findings, ColumnsOfTheLastRoundComeFromTheLog) {
  const std::vector<std::string> header = result_header();
  const auto cell = [&](const std::vector<app::RunHistory>& runs, const std::string& column) {
    const auto found = std::ranges::find(header, column);
    return result_cells(runs).at(static_cast<std::size_t>(found - header.begin()));
  };
  app::RunHistory run = run_with(0.9, 0.88);
  EXPECT_EQ(cell({run}, "validation: before fine-tuning").text, "");
  EXPECT_EQ(cell({run}, "minutes").text, "");
  const auto add_round = [&](std::int64_t round, double removed, double accuracy, double best) {
    app::RoundRecord& record = run.rounds[round];
    record.removed = removed;
    record.accuracy = accuracy;
    record.best = best;
  };
  add_round(1, 0.1, 0.5, 0.6);
  add_round(2, 0.3, 0.85, 0.87);
  run.seconds = 90;
  run.measured["after"].peak_bytes = 3 << 20;
  EXPECT_EQ(cell({run}, "validation: before fine-tuning").text, "30.00 %");
  EXPECT_EQ(cell({run}, "validation: last epoch").text, "85.00 %");
  EXPECT_EQ(cell({run}, "validation: best epoch").text, "87.00 %");
  EXPECT_EQ(cell({run}, "minutes").text, "1.5");
  EXPECT_EQ(cell({run}, "peak memory (MiB)").text, "3");
  EXPECT_EQ(cell({run}, "top-5 after").text, "100.00 %");
  EXPECT_EQ(cell({run}, "parameters").value, 50);
  EXPECT_EQ(cell({run}, "multiply-adds").value, 400);
}

TEST(Pareto, FrontIsWhatNoOtherPointBeatsInBoth) {
  const std::vector<ParetoPoint> points{{50, 90}, {60, 85}, {55, 80}, {50, 91}, {60, 85}, {40, 91}, {70, 60}};
  EXPECT_EQ(pareto_front(points), (std::vector<ParetoPoint>{{50, 91}, {60, 85}, {70, 60}}));
  EXPECT_TRUE(pareto_front({}).empty());
}

// Two figures, and what the table does not show stands in the title.
TEST(Findings, AComparisonHasItsFrontsAndItsCautions) {
  std::vector<Outcome> outcomes(2);
  outcomes[0].point.name = "a";
  outcomes[0].runs.push_back(run_with(0.7, 0.69));
  outcomes[1].point.name = "b";
  outcomes[1].runs.push_back(run_with(0.7, 0.65));
  const Findings findings = find_experiment("compare").findings(outcomes);
  ASSERT_EQ(findings.figures.size(), 2U);
  EXPECT_EQ(findings.figures[0].name, "pareto-flops");
  EXPECT_NE(findings.figures[0].svg.find("not beaten in both"), std::string::npos);
  ASSERT_EQ(findings.cautions.size(), 2U);
  EXPECT_NE(findings.cautions[0].find("below 80 %"), std::string::npos);
  EXPECT_NE(findings.cautions[1].find("one seed"), std::string::npos);
}

TEST(Findings, WeakBaselinesSingleSeedsAndNoiseAreSaid) {
  const auto said = [](const std::vector<std::vector<app::RunHistory>>& arms, const std::string& words) {
    for (const std::string& note : cautions(arms)) {
      if (note.find(words) != std::string::npos) return true;
    }
    return false;
  };
  EXPECT_TRUE(said({{run_with(0.7, 0.7)}}, "below 80 %"));
  EXPECT_FALSE(said({{run_with(0.9, 0.7)}}, "below 80 %"));
  EXPECT_TRUE(said({{run_with(0.9, 0.9)}}, "one seed"));
  app::RunHistory peeked = run_with(0.9, 0.9);
  peeked.facts["steered_by"] = "test";
  EXPECT_TRUE(said({{run_with(0.9, 0.9)}, {peeked}}, "steered by the test images"));
  EXPECT_FALSE(said({{run_with(0.9, 0.9)}}, "steered"));
  const std::vector<app::RunHistory> noisy{run_with(0.9, 0.88), run_with(0.9, 0.92)};
  const std::vector<app::RunHistory> near{run_with(0.9, 0.90), run_with(0.9, 0.91)};
  const std::vector<app::RunHistory> far{run_with(0.9, 0.70), run_with(0.9, 0.71)};
  EXPECT_TRUE(said({noisy, near}, "largest deviation"));
  EXPECT_FALSE(said({near, far}, "largest deviation"));
}

TEST(Findings, CsvHoldsTheNumbersAndQuotesText) {
  const Table table{{"run", "top-1, after"}, {{{"a \"b\"", {}}, {"87.00 %", 0.87}}}};
  EXPECT_EQ(csv_of(table), "run,\"top-1, after\"\n\"a \"\"b\"\"\",0.87\n");
}

TEST(Experiments, NamesAreKnownAndTheNearestIsNamed) {
  const app::RunOptions base;
  for (const Experiment& experiment : experiments()) {
    EXPECT_EQ(experiment.points != nullptr, experiment.study == nullptr) << experiment.name;
    if (experiment.points) {
      EXPECT_FALSE(experiment.points(base, Scale::smoke).empty()) << experiment.name;
    }
    EXPECT_EQ(find_experiment(experiment.name).title, experiment.title);
  }
  try {
    (void)find_experiment("tabel2");
    FAIL() << "an unknown experiment was found";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("table2"), std::string::npos) << error.what();
  }
}

TEST(Experiments, ChosenRunsBringThoseWhoseWidthsTheyTake) {
  std::vector<Point> points(3);
  points[0].name = "unified";
  points[1].name = "L1, uniform";
  points[2].name = "small, from scratch";
  points[2].widths_of = "unified";
  const auto names = [&](const std::vector<std::string>& globs) {
    std::vector<std::string> result;
    for (const Point& point : select_points(points, globs)) result.push_back(point.name);
    return result;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({}).size(), points.size());
  EXPECT_EQ(names({"L1*"}), Names{"L1, uniform"});
  EXPECT_EQ(names({"*scratch", "L?, *"}), (Names{"unified", "L1, uniform", "small, from scratch"}));
  try {
    (void)names({"L1*", "L2*"});
    FAIL() << "a glob without a run was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'L2*' matches no run"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("L1, uniform"), std::string::npos) << error.what();
  }
}

// Table 3: both budgets of ResNet-50, with and without the trunks; the paper's figures stand beside its own
// network alone.
TEST(Experiments, Table3IsResNet50AtTheTwoBudgets) {
  app::RunOptions base;
  base.model.name = "resnet50";
  base.data.name = "imagefolder";
  const Experiment& table3 = find_experiment("table3");
  EXPECT_EQ(table3.model, "resnet50");
  EXPECT_EQ(table3.data, "imagefolder");
  const auto points = table3.points(base, Scale::full);
  ASSERT_EQ(points.size(), 4U);
  EXPECT_NEAR(points[0].options.prune.budget.fraction, 0.482, 1e-12);
  EXPECT_NEAR(points[3].options.prune.budget.fraction, 0.478, 1e-12);
  EXPECT_EQ(points[0].options.prune.scope, PruneScope::all);
  EXPECT_EQ(points[3].options.prune.scope, PruneScope::inner);
  const Findings own = table3.findings({{points[0], {run_with(0.7, 0.69)}}});
  EXPECT_EQ(own.table.rows[0].size(), own.table.header.size());
  EXPECT_EQ(own.table.rows[0].back().value, 51.8);
  base.model.name = "resnet18";
  const Findings other = table3.findings({{table3.points(base, Scale::full)[0], {run_with(0.7, 0.69)}}});
  EXPECT_EQ(other.table.rows[0].size(), other.table.header.size());
  EXPECT_FALSE(other.table.rows[0].back().value.has_value());
}

// Table 2 of the paper: the budgets are one minus the FLOPs that it removed.
TEST(Experiments, Table2IsCutToThePapersFlops) {
  const app::RunOptions base;
  const auto points = find_experiment("table2").points(base, Scale::full);
  ASSERT_EQ(points.size(), 8U);
  EXPECT_EQ(points[0].options.model.name, "vgg16");
  EXPECT_NEAR(points[0].options.prune.budget.fraction, 0.444, 1e-12);
  EXPECT_EQ(points[5].options.model.name, "resnet56");
  EXPECT_NEAR(points[5].options.prune.budget.fraction, 0.28, 1e-12);
}

// What a point is run with: rates that are measured have been.
PruneOptions run_options_of(const Point& point) {
  PruneOptions prune = point.options.prune;
  if (point.measured_rates) prune.rate_table = {"*=0.5@0.1"};
  return prune;
}

TEST(Experiments, ComparedMethodsGetEqualEpochsAndBudgets) {
  const app::RunOptions base;
  const auto epochs_of = [](const PruneOptions& o) {
    return o.rounds * o.train_epochs + o.rounds / o.frequency * o.finetune_epochs;
  };
  int controls = 0;
  for (const Point& point : find_experiment("compare").points(base, Scale::full)) {
    const PruneOptions prune = run_options_of(point);
    EXPECT_FALSE(prune.fallback.enabled) << point.name;
    EXPECT_NO_THROW(check(prune)) << point.name;
    EXPECT_EQ(prune.search.name == "none" ? 0 : prune.search.epochs, 0) << point.name;
    if (prune.reinitialize) {
      EXPECT_EQ(epochs_of(prune), base.train.epochs + epochs_of(base.prune)) << point.name;
      EXPECT_FALSE(point.widths_of.empty());
      ++controls;
      continue;
    }
    EXPECT_EQ(epochs_of(prune), epochs_of(base.prune)) << point.name;
    if (prune.rate == 0) {
      EXPECT_EQ(prune.width.mode, WidthMode::per_round) << point.name;
      ++controls;
    } else {
      EXPECT_EQ(prune.width.mode, WidthMode::target) << point.name;
      EXPECT_TRUE(prune.watch) << point.name;
      EXPECT_EQ(point.measured_rates, prune.rate_policy == "cie") << point.name;
    }
  }
  EXPECT_EQ(controls, 2);
}

// With no epochs before removals, as a recipe may have it, the masks still have some to act after.
TEST(Experiments, ComparedMethodsCanRunInOneEpoch) {
  app::RunOptions base;
  base.prune.rounds = 1;
  base.prune.train_epochs = 0;
  base.prune.finetune_epochs = 1;
  for (const Point& point : find_experiment("compare").points(base, Scale::full)) {
    EXPECT_NO_THROW(check(run_options_of(point))) << point.name;
  }
}

class Smoke : public ::testing::TestWithParam<std::string> {};

TEST_P(Smoke, LeavesEveryArtefactAndDoesNothingTwice) {
  const std::filesystem::path out =
      std::filesystem::temp_directory_path() / ("secateur-" + GetParam() + std::to_string(::getpid()));
  const std::string command = std::string(test::kProgram) + " run " + GetParam() + " --smoke --out " +
                              out.string() + " > " + out.string() + ".log 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c): the command is ours
  std::ifstream file(out / "results.json");
  const nlohmann::json results = nlohmann::json::parse(file);
  EXPECT_EQ(results.at("experiment"), GetParam());
  const std::size_t rows = results.at("table").at("rows").size();
  EXPECT_GE(rows, 1U);
  std::ifstream csv(out / "results.csv");
  std::size_t lines = 0;
  for (std::string line; std::getline(csv, line);) ++lines;
  EXPECT_EQ(lines, rows + 1);
  EXPECT_TRUE(std::filesystem::exists(out / "report.html"));
  if (GetParam().starts_with("fig")) {
    std::size_t figures = 0;
    const bool draws = app::output_of({"rsvg-convert", "--version"}).has_value();
    for (const auto& entry : std::filesystem::directory_iterator(out)) {
      if (entry.path().extension() != ".svg") continue;
      ++figures;
      std::filesystem::path png = entry.path();
      png.replace_extension(".png");
      EXPECT_EQ(std::filesystem::exists(png), draws);
      if (!draws) continue;
      const std::vector<std::byte> bytes = read_file(png);
      ASSERT_GT(bytes.size(), 1000U);
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), 4), "\x89PNG");
    }
    EXPECT_GE(figures, 1U);
  }
  const auto log_of_a_run = [&] {
    std::filesystem::path newest;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(out)) {
      if (entry.path().filename() == "run.jsonl") newest = entry.path();
    }
    return newest;
  }();
  const auto written = std::filesystem::last_write_time(log_of_a_run);
  ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c): the command is ours
  EXPECT_EQ(std::filesystem::last_write_time(log_of_a_run), written) << "a finished run was run again";
  std::filesystem::remove_all(out);
  std::filesystem::remove(out.string() + ".log");
}

// A kill after the model was saved and before it was measured.
TEST(Experiments, ARunWithoutItsMeasurementIsNotTakenForDone) {
  const std::filesystem::path out =
      std::filesystem::temp_directory_path() / ("secateur-cut-short" + std::to_string(::getpid()));
  const std::string command = std::string(test::kProgram) + " run table10 --smoke --out " + out.string() +
                              " > " + out.string() + ".log 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c): the command is ours
  for (const auto& entry : std::filesystem::directory_iterator(out / "runs")) {
    std::filesystem::remove(entry.path() / "report.html");
    std::ifstream log(entry.path() / "run.jsonl");
    std::string kept;
    for (std::string line; std::getline(log, line);) {
      const nlohmann::json event = nlohmann::json::parse(line);
      if (event.at("event") != "measured" || event.at("which") != "after") kept += line + "\n";
    }
    log.close();
    std::ofstream(entry.path() / "run.jsonl", std::ios::trunc) << kept;
  }
  std::filesystem::remove(out / "results.json");
  EXPECT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c): the command is ours
  EXPECT_TRUE(std::filesystem::exists(out / "results.json"));
  std::filesystem::remove_all(out);
  std::filesystem::remove(out.string() + ".log");
}

std::vector<std::string> experiment_names() {
  std::vector<std::string> names;
  for (const Experiment& experiment : experiments()) names.push_back(experiment.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Experiments, Smoke, testing::ValuesIn(experiment_names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace secateur::experiments
