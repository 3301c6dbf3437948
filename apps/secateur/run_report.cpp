#include "secateur/run_report.h"

#include <fmt/format.h>

#include <cmath>

#include "secateur/io/files.h"
#include "secateur/prune/cost_measure.h"
#include "secateur/report/chart.h"
#include "secateur/report/page.h"
#include "secateur/run_history.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

using report::ChartOptions;
using report::Page;
using report::Series;

std::string fact(const RunHistory& history, const std::string& name) {
  const auto found = history.facts.find(name);
  return found == history.facts.end() ? "" : found->second;
}

std::string with_sign(double points) { return fmt::format("{:+.2f} points", points); }

void add_before_after(Page& page, const RunHistory& history) {
  const auto before = history.measured.find("before");
  const auto after = history.measured.find("after");
  if (before == history.measured.end() || after == history.measured.end()) return;
  const Measured& b = before->second;
  const Measured& a = after->second;
  page.add_headlines(
      {{with_sign(100 * (a.top1 - b.top1)), "top-1 accuracy on the test set"},
       {change_text(static_cast<double>(b.macs), static_cast<double>(a.macs)), "multiply-adds"},
       {change_text(static_cast<double>(b.parameters), static_cast<double>(a.parameters)), "parameters"},
       {fmt::format("{:.2f} x", a.images_per_second / b.images_per_second), "images/s, measured"},
       {fmt::format("{:.2f} x", b.latency_ms / a.latency_ms), "faster on one image, measured"}});
  page.add_heading("Before and after");
  const auto row = [](const char* name, const std::string& first, const std::string& second,
                      const std::string& change) {
    return std::vector<std::string>{name, first, second, change};
  };
  const auto count_row = [&](const char* name, std::int64_t first, std::int64_t second) {
    return row(name, grouped(first), grouped(second),
               change_text(static_cast<double>(first), static_cast<double>(second)));
  };
  page.add_table(
      {"", "before", "after", "change"},
      {row("top-1 accuracy", percent(b.top1), percent(a.top1), with_sign(100 * (a.top1 - b.top1))),
       row("top-5 accuracy", percent(b.top5), percent(a.top5), with_sign(100 * (a.top5 - b.top5))),
       count_row("parameters", b.parameters, a.parameters), count_row("multiply-adds", b.macs, a.macs),
       row("file", bytes_text(b.file_bytes), bytes_text(a.file_bytes),
           change_text(static_cast<double>(b.file_bytes), static_cast<double>(a.file_bytes))),
       row("latency of one image", fmt::format("{:.2f} ms", b.latency_ms),
           fmt::format("{:.2f} ms", a.latency_ms), change_text(b.latency_ms, a.latency_ms)),
       row("images/s at batch 256", fmt::format("{:.0f}", b.images_per_second),
           fmt::format("{:.0f}", a.images_per_second),
           change_text(b.images_per_second, a.images_per_second))});
}

std::string budget_text(const BudgetRecord& record, double cost) {
  for (const auto& [measure, name] : EnumNames<BudgetMeasure>::kTable) {
    if (name == record.measure) return cost_text(measure, cost);
  }
  return fmt::format("{:.6g}", cost);
}

void add_budget(Page& page, const RunHistory& history) {
  if (!history.budget) return;
  const BudgetRecord& b = *history.budget;
  page.add_heading("Budget");
  std::vector<std::vector<std::string>> rows{
      {"unpruned", budget_text(b, b.unpruned)},
      {"allowed", budget_text(b, b.budget)},
      {b.measure == "latency" ? "foretold" : "pruned", budget_text(b, b.cost)}};
  if (std::isfinite(b.measured)) {
    rows.push_back({"measured", fmt::format("{} (quartiles within {}; {} against what was foretold)",
                                            budget_text(b, b.measured), percent(b.spread, 1),
                                            change_text(b.cost, b.measured))});
    if (std::isfinite(b.measured_unpruned)) {
      rows.push_back({"unpruned, measured in turns with it",
                      fmt::format("{} (pruned: {})", budget_text(b, b.measured_unpruned),
                                  change_text(b.measured_unpruned, b.measured))});
    }
  }
  page.add_table({b.batch > 0 ? fmt::format("{} at batch {}", b.measure, b.batch) : b.measure,
                  b.met ? "met" : "not met"},
                 rows);
}

void add_training_result(Page& page, const RunHistory& history) {
  const auto result = history.measured.find("result");
  if (result == history.measured.end()) return;
  page.add_headlines({{percent(result->second.top1), "top-1 accuracy on the test set"},
                      {percent(result->second.top5), "top-5 accuracy"},
                      {grouped(std::stoll(fact(history, "parameters"))), "parameters"},
                      {scaled(std::stod(fact(history, "macs"))), "multiply-adds"}});
}

std::vector<double> removal_marks(const RunHistory& history) {
  std::vector<double> marks;
  for (const auto& [round, epochs] : history.removals) marks.push_back(epochs);
  return marks;
}

std::vector<std::string> training_charts(const RunHistory& history) {
  Series train{"training", {}, true, false};
  Series validation{"validation", {}, false, true};
  Series loss{"training loss", {}, false, false};
  for (const auto& [epoch, record] : history.epochs) {
    const auto x = static_cast<double>(epoch + 1);
    train.points.emplace_back(x, 100 * record.top1);
    if (std::isfinite(record.validation_top1))
      validation.points.emplace_back(x, 100 * record.validation_top1);
    loss.points.emplace_back(x, record.loss);
  }
  const std::vector<double> marks = removal_marks(history);
  const std::string mark_label = marks.empty() ? "" : "channels removed";
  return {report::line_chart({validation, train}, {.title = "Accuracy",
                                                   .x_label = "epoch",
                                                   .y_label = "top-1 accuracy (%)",
                                                   .marks = marks,
                                                   .mark_label = mark_label}),
          report::line_chart({loss}, {.title = "Loss",
                                      .x_label = "epoch",
                                      .y_label = "cross-entropy (nats)",
                                      .y_min = 0,
                                      .marks = marks,
                                      .mark_label = mark_label})};
}

std::vector<std::string> pruning_charts(const RunHistory& history) {
  Series alpha{"alpha (magnitude)", {}, false, true};
  Series beta{"beta (redundancy)", {}, true, true};
  Series macs{"multiply-adds", {}, false, true};
  Series parameters{"parameters", {}, true, true};
  const double base_macs = std::stod(fact(history, "macs"));
  const double base_parameters = std::stod(fact(history, "parameters"));
  macs.points.emplace_back(0, 100);
  parameters.points.emplace_back(0, 100);
  for (const auto& [round, record] : history.rounds) {
    const auto x = static_cast<double>(round);
    alpha.points.emplace_back(x, record.alpha);
    beta.points.emplace_back(x, record.beta);
    macs.points.emplace_back(x, 100 * static_cast<double>(record.macs) / base_macs);
    parameters.points.emplace_back(x, 100 * static_cast<double>(record.parameters) / base_parameters);
  }
  std::vector<report::WidthBar> bars;
  for (std::size_t i = 0; i < history.layer_names.size(); ++i) {
    bars.push_back({history.layer_names[i], history.widths_before[i], history.widths_after[i]});
  }
  return {report::line_chart({macs, parameters}, {.title = "What is left of the network",
                                                  .x_label = "round",
                                                  .y_label = "% of the unpruned network",
                                                  .y_min = 0,
                                                  .y_max = 100}),
          report::line_chart({alpha, beta}, {.title = "Weights of the two parts of the score",
                                             .x_label = "round",
                                             .y_label = "weight",
                                             .y_min = 0}),
          report::width_chart(bars, {.title = "Channels per layer: outline before, filled after",
                                     .x_label = "layer, in the order of the forward pass",
                                     .y_label = "channels"})};
}

void add_rounds(Page& page, const RunHistory& history) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [round, r] : history.rounds) {
    rows.push_back({fmt::format("{}", round), fmt::format("{:.3f}", r.alpha), fmt::format("{:.3f}", r.beta),
                    r.outcome, percent(r.accuracy_before), percent(r.accuracy), grouped(r.parameters),
                    grouped(r.macs)});
  }
  page.add_heading("Round by round");
  page.add_table({"round", "alpha", "beta", "outcome", "accuracy before", "after", "parameters", "MACs"},
                 rows);
}

// Logs that say nothing are of runs before there was a choice.
std::string steering_note(const RunHistory& history) {
  const std::string steered_by = fact(history, "steered_by");
  if (steered_by == "test") {
    return "Steered by the test images (--steer-by test): the accuracy above is of images that took part in "
           "the run, and no independent measurement.";
  }
  const std::string test = "The test images serve the figures above alone.";
  if (steered_by == "seen") {
    return "Steered by images that the unpruned network was trained on (--steer-by seen). " + test;
  }
  return "Validation images steer. " + test;
}

}  // namespace

void write_run_report(const RunFolder& folder) {
  const RunHistory history = read_run_history(folder.log());
  const bool pruned = !history.rounds.empty();
  Page page(fmt::format("{} {} on {}", pruned ? "Pruning" : "Training", fact(history, "model"),
                        fact(history, "data")),
            fmt::format("{} training and {} validation images; {}; {}", fact(history, "training_images"),
                        fact(history, "validation_images"), fact(history, "device"), fact(history, "time")));
  if (pruned) {
    add_before_after(page, history);
    add_budget(page, history);
  } else {
    add_training_result(page, history);
  }
  if (!history.epochs.empty()) {
    page.add_heading("Training");
    page.add_charts(training_charts(history));
  }
  if (pruned) {
    page.add_heading("Pruning");
    page.add_charts(pruning_charts(history));
    add_rounds(page, history);
  }
  page.add_heading("How it was run");
  page.add_details("Recipe (every option)", history.recipe);
  std::string facts;
  for (const auto& [key, value] : history.facts) facts += fmt::format("{}: {}\n", key, value);
  page.add_details("Machine and data", facts);
  page.add_paragraph(steering_note(history));
  const std::string html = page.html();
  write_file_atomically(folder.report(), std::as_bytes(std::span(html)));
}

}  // namespace secateur::app
