#include "experiments/archive.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "secateur/core/version.h"
#include "secateur/io/files.h"
#include "secateur/report/chart.h"
#include "secateur/report/page.h"
#include "secateur/report/png.h"
#include "secateur/text.h"

namespace secateur::experiments {
namespace {

using nlohmann::json;

void write_text(const std::filesystem::path& path, const std::string& text) {
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

json as_json(const app::Measured& m) {
  return {{"top1", m.top1},
          {"top5", m.top5},
          {"parameters", m.parameters},
          {"macs", m.macs},
          {"latency_ms", m.latency_ms},
          {"images_per_second", m.images_per_second},
          {"peak_bytes", m.peak_bytes}};
}

json as_json(const app::RunHistory& run) {
  json rounds = json::array();
  for (const auto& [index, round] : run.rounds) {
    rounds.push_back({{"round", index},
                      {"outcome", round.outcome},
                      {"alpha", round.alpha},
                      {"beta", round.beta},
                      {"accuracy_before", round.accuracy_before},
                      {"accuracy", round.accuracy},
                      {"accuracy_removed", round.removed},
                      {"accuracy_best", round.best},
                      {"parameters", round.parameters},
                      {"macs", round.macs}});
  }
  json result{{"rounds", rounds},
              {"layers", run.layer_names},
              {"widths_before", run.widths_before},
              {"widths_after", run.widths_after},
              {"seconds", run.seconds},
              {"recipe", run.recipe}};
  for (const auto& [which, measured] : run.measured) result[which] = as_json(measured);
  return result;
}

json as_json(const Table& table) {
  json rows = json::array();
  for (const auto& row : table.rows) {
    json cells = json::array();
    for (const Cell& cell : row) cells.push_back(cell.value ? json(*cell.value) : json(cell.text));
    rows.push_back(cells);
  }
  return {{"header", table.header}, {"rows", rows}};
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

std::vector<std::vector<std::string>> texts_of(const Table& table) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : table.rows) {
    std::vector<std::string>& texts = rows.emplace_back();
    for (const Cell& cell : row) texts.push_back(cell.text);
  }
  return rows;
}

std::string page_of(const Experiment& experiment, const std::string& title, const Findings& findings) {
  report::Page page(title, experiment.description);
  for (const std::string& note : findings.notes) page.add_paragraph(note);
  page.add_table(findings.table.header, texts_of(findings.table));
  std::vector<std::string> charts;
  for (const Figure& figure : findings.figures) charts.push_back(figure.svg);
  if (!charts.empty()) page.add_charts(charts);
  return page.html();
}

}  // namespace

std::string csv_of(const Table& table) {
  std::string text;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) text += (i > 0 ? "," : "") + quoted(cells[i]);
    text += '\n';
  };
  add_line(table.header);
  for (const auto& row : table.rows) {
    std::vector<std::string> cells;
    for (const Cell& cell : row) cells.push_back(cell.value ? fmt::format("{}", *cell.value) : cell.text);
    add_line(cells);
  }
  return text;
}

std::string text_of(const Table& table) {
  std::vector<std::vector<std::string>> rows{table.header};
  for (auto& row : texts_of(table)) rows.push_back(std::move(row));
  return app::table_text(rows);
}

bool write_archive(const std::filesystem::path& out, const Experiment& experiment, const std::string& title,
                   const std::vector<Outcome>& outcomes, const Findings& findings) {
  json points = json::array();
  for (const Outcome& outcome : outcomes) {
    json runs = json::array();
    for (const app::RunHistory& run : outcome.runs) runs.push_back(as_json(run));
    points.push_back({{"name", outcome.point.name}, {"runs", runs}});
  }
  const json results{{"experiment", experiment.name},
                     {"title", title},
                     {"version", build_info().version},
                     {"commit", build_info().commit},
                     {"notes", findings.notes},
                     {"table", as_json(findings.table)},
                     {"points", points}};
  write_text(out / "results.json", results.dump(2) + "\n");
  write_text(out / "results.csv", csv_of(findings.table));
  bool drawn = true;
  for (const Figure& figure : findings.figures) {
    write_text(out / (figure.name + ".svg"), report::standalone(figure.svg));
    if (const auto png = report::png_of(out / (figure.name + ".svg"))) {
      write_text(out / (figure.name + ".png"), *png);
    } else {
      drawn = false;
    }
  }
  write_text(out / "report.html", page_of(experiment, title, findings));
  return drawn;
}

}  // namespace secateur::experiments
