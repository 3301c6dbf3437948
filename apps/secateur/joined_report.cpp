#include "secateur/joined_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/io/files.h"
#include "secateur/report/chart.h"
#include "secateur/report/page.h"
#include "secateur/run_history.h"
#include "secateur/text.h"

namespace secateur::app {
namespace {

namespace fs = std::filesystem;
using report::Series;

constexpr const char* kLog = "run.jsonl";

struct NamedRun {
  std::string name;
  RunHistory history;
};

std::string fact(const RunHistory& history, const std::string& name) {
  const auto found = history.facts.find(name);
  return found == history.facts.end() ? "" : found->second;
}

// What the paths have in common says nothing about one of them.
std::vector<std::string> short_names(const std::vector<fs::path>& runs) {
  std::vector<std::string> names;
  for (const fs::path& run : runs) names.push_back(fs::absolute(run).lexically_normal().string());
  std::size_t common = names.front().size();
  for (const std::string& name : names) {
    const auto [a, b] = std::ranges::mismatch(name, names.front());
    common = std::min(common, static_cast<std::size_t>(a - name.begin()));
  }
  common = names.front().rfind('/', common == 0 ? 0 : common - 1) + 1;
  for (std::string& name : names) {
    name = name.substr(std::min(common, name.size()));
    while (name.ends_with('/')) name.pop_back();
  }
  return names;
}

std::vector<std::string> row_of(const NamedRun& run) {
  const auto& measured = run.history.measured;
  std::vector<std::string> row{run.name, fact(run.history, "model"), fact(run.history, "data")};
  const auto after = measured.find("after");
  const auto before = measured.find("before");
  if (after != measured.end() && before != measured.end()) {
    const Measured& a = after->second;
    const Measured& b = before->second;
    row.insert(row.end(), {percent(b.top1), percent(a.top1), fmt::format("{:+.2f}", 100 * (a.top1 - b.top1)),
                           change_text(static_cast<double>(b.parameters), static_cast<double>(a.parameters)),
                           change_text(static_cast<double>(b.macs), static_cast<double>(a.macs)),
                           fmt::format("{:.2f} x", a.images_per_second / b.images_per_second)});
    return row;
  }
  const auto result = measured.find("result");
  row.push_back(result == measured.end() ? "" : percent(result->second.top1));
  row.insert(row.end(), {result == measured.end() ? "under way" : "", "", "", "", ""});
  return row;
}

std::string by_epoch(const std::vector<NamedRun>& runs) {
  std::vector<Series> series;
  for (const NamedRun& run : runs) {
    Series line{.name = run.name, .points = {}};
    for (const auto& [epoch, record] : run.history.epochs) {
      const double top1 = std::isfinite(record.validation_top1) ? record.validation_top1 : record.top1;
      line.points.emplace_back(static_cast<double>(epoch + 1), 100 * top1);
    }
    if (!line.points.empty()) series.push_back(std::move(line));
  }
  return series.empty() ? ""
                        : report::line_chart(series, {.title = "Accuracy by epoch",
                                                      .x_label = "epoch of the whole run",
                                                      .y_label = "top-1 on validation images (%)"});
}

std::string against_cost(const std::vector<NamedRun>& runs) {
  std::vector<Series> series;
  for (const NamedRun& run : runs) {
    const auto after = run.history.measured.find("after");
    if (after == run.history.measured.end()) continue;
    series.push_back({.name = run.name,
                      .points = {{1e-6 * static_cast<double>(after->second.macs), 100 * after->second.top1}},
                      .dots = true});
  }
  return series.empty() ? ""
                        : report::line_chart(series, {.title = "Accuracy against cost",
                                                      .x_label = "multiply-adds (M)",
                                                      .y_label = "top-1 on test images (%)",
                                                      .whole_x = false});
}

}  // namespace

std::vector<fs::path> find_runs(const std::vector<fs::path>& folders) {
  std::vector<fs::path> runs;
  for (const fs::path& folder : folders) {
    require(fs::is_directory(folder), "'{}' is no folder", folder.string());
    const std::size_t before = runs.size();
    if (fs::exists(folder / kLog)) runs.push_back(folder);
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_directory() && fs::exists(entry.path() / kLog)) runs.push_back(entry.path());
    }
    require(runs.size() > before, "'{}' holds no run: there is no {} in it or below it", folder.string(),
            kLog);
    std::sort(runs.begin() + static_cast<std::ptrdiff_t>(before), runs.end());
  }
  return runs;
}

std::string joined_report(const std::vector<fs::path>& folders) {
  require(!folders.empty(), "a report takes at least one run");
  const std::vector<std::string> names = short_names(folders);
  std::vector<NamedRun> runs;
  for (std::size_t i = 0; i < folders.size(); ++i) {
    runs.push_back(
        {names[i].empty() ? folders[i].filename().string() : names[i], read_run_history(folders[i] / kLog)});
  }
  report::Page page(fmt::format("{} runs", runs.size()), "made from their run logs by secateur report");
  std::vector<std::vector<std::string>> rows;
  for (const NamedRun& run : runs) rows.push_back(row_of(run));
  page.add_table({"run", "network", "data", "top-1 before", "after", "points", "parameters", "multiply-adds",
                  "images/s"},
                 rows);
  std::vector<std::string> charts;
  for (std::string& chart : std::vector{against_cost(runs), by_epoch(runs)}) {
    if (!chart.empty()) charts.push_back(std::move(chart));
  }
  if (!charts.empty()) page.add_charts(charts);
  page.add_heading("How they were run");
  for (const NamedRun& run : runs) page.add_details(run.name, run.history.recipe);
  page.add_paragraph("Accuracies before and after are of the test images; curves are of validation images.");
  return page.html();
}

int run_report(const std::vector<fs::path>& folders, const fs::path& out) {
  const std::vector<fs::path> runs = find_runs(folders);
  const std::string html = joined_report(runs);
  write_file_atomically(out, std::as_bytes(std::span(html)));
  fmt::print("{} runs: {}\n", runs.size(), out.string());
  return 0;
}

}  // namespace secateur::app
