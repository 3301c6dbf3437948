// Experiments that look into one trained network: Figure 5 (rates of the layers), Figure 7 (sensitivity) and
// Proposition 1 (what the scores predict).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiments/definitions.h"
#include "experiments/lab.h"
#include "experiments/notebook.h"
#include "experiments/sensitivity.h"
#include "experiments/specimen.h"
#include "experiments/statistics.h"
#include "secateur/core/rng.h"
#include "secateur/report/chart.h"

namespace secateur::experiments {
namespace {

using report::Series;

// Images that a masked network is measured on.
std::int64_t measured_images(Scale scale) {
  return scale == Scale::smoke ? 50 : scale == Scale::quick ? 500 : 0;
}

// Rates of a first round at psi = 0.5 by each policy.
Findings fig5_findings(const StudyContext& context) {
  Specimen specimen(context.base, context.lab.baseline(context.base));
  const ControllerOptions& weights = context.base.prune.controller;
  const std::vector<SpaceScores> spaces = specimen.score("unified", weights.alpha_start, weights.beta_start);
  constexpr double kRate = 0.5;
  Findings findings;
  findings.table.header = {"layer", "channels", "Imp(l)"};
  for (const SpaceScores& space : spaces) {
    findings.table.rows.push_back({Cell{space.name}, number_cell(static_cast<double>(space.width), 0),
                                   number_cell(importance_of(space), 4)});
  }
  std::vector<Series> rates;
  std::vector<Series> removed;
  for (const char* policy : {"eq18", "depth", "uniform", "global"}) {
    const std::vector<double> of_layers =
        make_rate_policy(policy, {.rate = kRate, .max_space_rate = context.base.prune.max_space_rate})
            ->rates(spaces);
    findings.table.header.push_back(fmt::format("{}: rate", policy));
    findings.table.header.push_back(fmt::format("{}: removed", policy));
    Series rate{.name = policy, .points = {}, .dots = true};
    Series count{.name = policy, .points = {}, .dots = true};
    for (std::size_t l = 0; l < spaces.size(); ++l) {
      const double channels = std::ceil(of_layers[l] * static_cast<double>(spaces[l].width));
      const auto layer = static_cast<double>(l + 1);
      rate.points.emplace_back(layer, 100 * of_layers[l]);
      count.points.emplace_back(layer, channels);
      findings.table.rows[l].push_back(percent_cell({of_layers[l], 0, 1}));
      findings.table.rows[l].push_back(number_cell(channels, 0));
    }
    rates.push_back(std::move(rate));
    removed.push_back(std::move(count));
  }
  findings.figures = {{"rates", report::line_chart(rates, {.title = "Rate of each layer at psi = 0.5",
                                                           .x_label = "layer",
                                                           .y_label = "rate (%)",
                                                           .y_min = 0})},
                      {"channels", report::line_chart(removed, {.title = "Channels that a round removes",
                                                                .x_label = "layer",
                                                                .y_label = "channels",
                                                                .y_min = 0})}};
  findings.notes.emplace_back(
      "The paper's Figure 5 shows 48 to 50 % for early layers and 30 to 32 % for deep ones. Its Eq. 18 "
      "cannot give "
      "that: the layer of largest importance gets 0. `depth`, Eq. 18 without its importance, comes nearest.");
  return findings;
}

// Accuracy when one layer alone loses its weakest channels.
Findings fig7_findings(const StudyContext& context) {
  const std::filesystem::path weights = context.lab.baseline(context.base);
  Specimen specimen(context.base, weights);
  Notebook notes(context.lab.out() / "measured.jsonl");
  const std::string net = weights.parent_path().filename().string();
  const ControllerOptions& controller = context.base.prune.controller;
  const std::vector<SpaceScores> spaces =
      specimen.score(context.base.prune.criterion, controller.alpha_start, controller.beta_start);
  const std::int64_t images = measured_images(context.scale);
  const std::vector<double> fractions =
      context.scale == Scale::smoke ? std::vector{0.1, 0.5} : std::vector{0.1, 0.2, 0.3, 0.4, 0.5};
  const SensitivityTable measured = measure_sensitivity(specimen, spaces, fractions, images, notes, net);

  Findings findings;
  findings.table.header = {"layer", "channels"};
  std::vector<Series> series;
  for (const double fraction : fractions) {
    findings.table.header.push_back(fmt::format("{:.0f} % removed", 100 * fraction));
    series.push_back(
        {.name = fmt::format("{:.0f} % of the layer", 100 * fraction), .points = {}, .dots = true});
  }
  for (std::size_t l = 0; l < measured.layers.size(); ++l) {
    const LayerSensitivity& layer = measured.layers[l];
    std::vector<Cell>& row = findings.table.rows.emplace_back();
    row = {Cell{layer.layer}, number_cell(static_cast<double>(layer.channels), 0)};
    for (std::size_t f = 0; f < fractions.size(); ++f) {
      row.push_back(percent_cell({layer.top1[f], 0, 1}));
      series[f].points.emplace_back(static_cast<double>(l + 1), 100 * layer.top1[f]);
    }
  }
  findings.figures = {
      {"sensitivity", report::line_chart(series, {.title = "Accuracy with one layer pruned alone",
                                                  .x_label = "layer",
                                                  .y_label = "top-1 on validation images (%)"})}};
  findings.notes.push_back(
      fmt::format("No fine-tuning: channels are taken out of the trained network and put back. The whole "
                  "network: {:.2f} %. "
                  "The paper runs this on ImageNet.",
                  100 * measured.whole));
  return findings;
}

// Filters of a space to look at: all, or a random part.
std::vector<std::int64_t> sampled(const SpaceScores& space, std::int64_t most, std::uint32_t key) {
  RandomSequence random(1, RngPurpose::criterion, key, 77);
  std::vector<std::int64_t> members = random.permutation(space.width);
  members.resize(static_cast<std::size_t>(std::min(most, space.width)));
  std::ranges::sort(members);
  return members;
}

// Change of the loss when one filter goes alone, against what each score says of it.
Findings prop1_findings(const StudyContext& context) {
  const std::filesystem::path weights = context.lab.baseline(context.base);
  Specimen specimen(context.base, weights);
  Notebook notes(context.lab.out() / "measured.jsonl");
  const std::string net = weights.parent_path().filename().string();
  const std::int64_t images = measured_images(context.scale);
  const std::int64_t most = context.scale == Scale::smoke ? 4 : context.scale == Scale::quick ? 12 : 64;
  const ControllerOptions& controller = context.base.prune.controller;

  struct Score {
    const char* name;
    const char* criterion;
    std::vector<SpaceScores> spaces;
  };
  std::vector<Score> scores{{"unified", "unified", {}},
                            {"magnitude alone", "l1", {}},
                            {"redundancy alone", "correlation", {}},
                            {"Taylor", "taylor", {}},
                            {"random", "random", {}}};
  for (Score& score : scores) {
    score.spaces = specimen.score(score.criterion, controller.alpha_start, controller.beta_start);
  }
  const std::vector<SpaceScores>& spaces = scores.front().spaces;
  const double whole =
      notes.once(net + "/whole loss", [&] { return std::vector{specimen.whole(images).loss}; }).front();

  Findings findings;
  findings.table.header = {"score", "rank correlation, mean of layers", "layers where it is best",
                           "error of the scaled score"};
  std::vector<std::vector<double>> correlations(scores.size());
  std::vector<std::vector<double>> errors(scores.size());
  std::vector<double> best(scores.size(), 0);
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    const SpaceScores& space = spaces[l];
    if (space.width < 3 || space.groups > 1) continue;
    fmt::print("[{}/{}] {}\n", l + 1, spaces.size(), space.name);
    const std::vector<std::int64_t> members = sampled(space, most, static_cast<std::uint32_t>(l));
    const std::vector<double> changes = notes.once(fmt::format("{}/{}/alone/{}", net, space.name, most), [&] {
      std::vector<double> measured;
      for (const std::int64_t member : members) {
        measured.push_back(specimen.without(space, {member}, images).loss - whole);
      }
      return measured;
    });
    std::vector<double> of_layer;
    for (std::size_t s = 0; s < scores.size(); ++s) {
      std::vector<double> predicted;
      for (const std::int64_t member : members) {
        predicted.push_back(scores[s].spaces[l].scores[static_cast<std::size_t>(member)]);
      }
      of_layer.push_back(rank_correlation(predicted, changes));
      correlations[s].push_back(of_layer.back());
      errors[s].push_back(scaled_error(predicted, changes));
    }
    const auto highest = std::ranges::max_element(of_layer);
    best[static_cast<std::size_t>(highest - of_layer.begin())] += 1;
  }
  std::vector<Series> series;
  for (std::size_t s = 0; s < scores.size(); ++s) {
    const Spread correlation = spread_of(correlations[s]);
    findings.table.rows.push_back(
        {Cell{scores[s].name},
         Cell{fmt::format("{:.3f} ± {:.3f}", correlation.mean, correlation.deviation), correlation.mean},
         number_cell(best[s], 0), number_cell(spread_of(errors[s]).mean, 4)});
    Series line{.name = scores[s].name, .points = {}, .dots = true};
    for (std::size_t l = 0; l < correlations[s].size(); ++l) {
      line.points.emplace_back(static_cast<double>(l + 1), correlations[s][l]);
    }
    series.push_back(std::move(line));
  }
  findings.figures = {
      {"correlation", report::line_chart(series, {.title = "Does the score rank filters as the loss does?",
                                                  .x_label = "layer",
                                                  .y_label = "Spearman's rank correlation",
                                                  .y_min = -1,
                                                  .y_max = 1})}};
  findings.notes.push_back(
      fmt::format("Each filter is taken out alone, without fine-tuning, and the change of the loss is "
                  "compared with its score: "
                  "up to {} filters a layer. The paper states Proposition 1 (the unified score predicts at "
                  "least as well as "
                  "either part) without a proof or a measurement. Error: root mean square of score minus "
                  "change, each scaled "
                  "to [0, 1] within its layer.",
                  most));
  return findings;
}

}  // namespace

Experiment fig5() {
  return {.name = "fig5",
          .title = "Figure 5: rates of the layers",
          .description = "Rate and channels removed in each layer at psi = 0.5, by each rate policy",
          .study = fig5_findings,
          .model = "vgg16"};
}

Experiment fig7() {
  return {.name = "fig7",
          .title = "Figure 7: sensitivity of single layers",
          .description = "Accuracy when one layer alone is pruned at 10 to 50 %",
          .study = fig7_findings};
}

Experiment prop1() {
  return {.name = "prop1",
          .title = "Proposition 1: does the unified score predict better than either part?",
          .description = "Change of the loss when each filter goes alone, against each score",
          .study = prop1_findings};
}

}  // namespace secateur::experiments
