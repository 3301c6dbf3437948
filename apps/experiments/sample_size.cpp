// Figure 8: how many images the score takes. Accuracy of the networks that it pruned, and what the size of
// the sample does to the score itself: time, memory, and how far two samples disagree.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "experiments/definitions.h"
#include "experiments/lab.h"
#include "experiments/specimen.h"
#include "secateur/report/chart.h"
#include "secateur/text.h"

namespace secateur::experiments {
namespace {

using report::Series;

constexpr double kWeakest = 0.3;  // of a layer's filters, which a round would remove at psi = 0.3

std::vector<Point> points_of(const app::RunOptions& base, Scale scale) {
  std::vector<Point> points;
  std::vector<std::int64_t> sizes{16, 32, 64, 128, 256, 512, 1024};
  if (scale == Scale::smoke) sizes = {8, 16};
  for (const std::int64_t images : sizes) {
    app::RunOptions options = base;
    options.prune.sample_images = images;
    options.prune.sample_batch = std::min(options.prune.sample_batch, images);
    points.push_back({fmt::format("N = {}", images), options});
  }
  return points;
}

report::ChartOptions over_images(const char* title, const char* y_label) {
  return {.title = title, .x_label = "N, images", .y_label = y_label, .doubling_x = true};
}

double images_of(const Outcome& outcome) {
  return static_cast<double>(outcome.point.options.prune.sample_images);
}

Findings accuracy_findings(const std::vector<Outcome>& outcomes) {
  Findings findings = compared(outcomes);
  Series ours{.name = "top-1 on the test images", .points = {}, .dots = true};
  for (const Outcome& outcome : outcomes) {
    std::vector<double> values;
    for (const app::RunHistory& run : outcome.runs) values.push_back(100 * run.measured.at("after").top1);
    const Spread spread = spread_of(values);
    ours.points.emplace_back(images_of(outcome), spread.mean);
    if (values.size() > 1) ours.deviations.push_back(spread.deviation);
  }
  const Series papers{.name = "the paper's, read off its figure",
                      .points = {{16, 91.5}, {128, 92.3}, {512, 93.1}},
                      .dashed = true,
                      .dots = true};
  findings.figures.push_back(
      {"accuracy",
       report::line_chart({ours, papers},
                          over_images("Accuracy against the images that are scored on", "top-1 (%)"))});
  return findings;
}

// How far the scores of several samples disagree.
struct Disagreement {
  double deviation = 0;  // of a filter's score between samples, root mean square over all filters
  double agreement =
      1;  // part of the weakest filters of one sample that are so in another, mean of all pairs
};

Disagreement disagreement_of(const std::vector<std::vector<SpaceScores>>& samples) {
  double squares = 0;
  double filters = 0;
  double common = 0;
  double weak = 0;
  for (std::size_t space = 0; space < samples.front().size(); ++space) {
    const auto width = static_cast<std::size_t>(samples.front()[space].width);
    for (std::size_t filter = 0; filter < width; ++filter) {
      std::vector<double> scores;
      for (const auto& sample : samples) scores.push_back(sample[space].scores.at(filter));
      squares += std::pow(spread_of(scores).deviation, 2);
      filters += 1;
    }
    const auto count = static_cast<std::int64_t>(kWeakest * static_cast<double>(width));
    for (std::size_t a = 0; a < samples.size(); ++a) {
      const std::vector<std::int64_t> of_a = weakest(samples[a][space], count);
      for (std::size_t b = 0; b < a; ++b) {
        const std::vector<std::int64_t> of_b = weakest(samples[b][space], count);
        common += static_cast<double>(std::ranges::count_if(
            of_a, [&](std::int64_t filter) { return std::ranges::count(of_b, filter) > 0; }));
        weak += static_cast<double>(of_a.size());
      }
    }
  }
  return {std::sqrt(squares / filters), weak > 0 ? common / weak : 1};
}

void look_at_scores(const StudyContext& context, const std::vector<Outcome>& outcomes, Findings& findings) {
  Specimen specimen(context.base, context.lab.baseline(context.base));
  const ControllerOptions& weights = context.base.prune.controller;
  const std::uint64_t samples = context.scale == Scale::smoke ? 2 : 5;
  // The first pass of all pays for what later ones find done.
  static_cast<void>(specimen.score("unified", weights.alpha_start, weights.beta_start));
  Series deviation{.name = "deviation of a filter's score between samples", .points = {}, .dots = true};
  Series agreement{.name = "common to two samples", .points = {}, .dots = true};
  Series time{.name = "one scoring", .points = {}, .dots = true};
  for (const char* column : {"scoring (s)", "scoring, maps and workspaces (MiB)",
                             "score's deviation between samples", "weakest 30 % common to two samples"}) {
    findings.table.header.emplace_back(column);
  }
  for (std::size_t row = 0; row < outcomes.size(); ++row) {
    const std::int64_t images = outcomes[row].point.options.prune.sample_images;
    std::vector<std::vector<SpaceScores>> scores;
    std::vector<double> seconds;
    std::int64_t bytes = 0;
    for (std::uint64_t seed = 1; seed <= samples; ++seed) {
      Specimen::Scoring scoring =
          specimen.score_sample("unified", weights.alpha_start, weights.beta_start, images, seed);
      scores.push_back(std::move(scoring.spaces));
      seconds.push_back(scoring.seconds);
      bytes = scoring.bytes;
    }
    std::ranges::sort(seconds);
    const double median = seconds[seconds.size() / 2];
    const Disagreement found = disagreement_of(scores);
    const double x = images_of(outcomes[row]);
    time.points.emplace_back(x, median);
    deviation.points.emplace_back(x, found.deviation);
    agreement.points.emplace_back(x, 100 * found.agreement);
    std::vector<Cell>& cells = findings.table.rows.at(row);
    cells.push_back(number_cell(median, 3));
    cells.push_back(number_cell(static_cast<double>(bytes) / (1 << 20), 1));
    cells.push_back(number_cell(found.deviation, 4));
    cells.push_back(percent_cell({found.agreement, 0, 1}));
  }
  findings.figures.push_back(
      {"deviation", report::line_chart({deviation}, over_images("The score's sampling error",
                                                                "score, in [0, alpha + beta]"))});
  findings.figures.push_back(
      {"agreement",
       report::line_chart({agreement}, over_images("Weakest 30 % of each layer's filters", "common (%)"))});
  findings.figures.push_back({"time", report::line_chart({time}, over_images("Time of a scoring", "s"))});
  findings.notes.push_back(
      fmt::format("The score itself is the unified one of the trained network in the first round, on {} "
                  "samples of each size.",
                  samples));
}

}  // namespace

Experiment fig8() {
  return {.name = "fig8",
          .title = "Figure 8: how many images the score takes",
          .description = "Accuracy for N from 16 to 1024; time, memory and sampling error of the score",
          .points = points_of,
          .findings = accuracy_findings,
          .look = look_at_scores};
}

}  // namespace secateur::experiments
