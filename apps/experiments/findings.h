// What an experiment found: a table, figures, remarks; and the parts that most tables share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "secateur/run_history.h"

namespace secateur::experiments {

// Text for readers; the number behind it, for CSV and JSON, where there is one.
struct Cell {
  std::string text;
  std::optional<double> value = {};
};

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<Cell>> rows;
};

struct Figure {
  std::string name;  // of its file, without ".svg"
  std::string svg;
};

struct Findings {
  Table table;
  std::vector<Figure> figures;
  std::vector<std::string> notes;
  std::vector<std::string> cautions = {};  // that belong into the title
};

// Mean and sample deviation over seeds.
struct Spread {
  double mean = 0;
  double deviation = 0;  // 0 for one value
  std::int64_t count = 0;
};
[[nodiscard]] Spread spread_of(const std::vector<double>& values);

// "86.01 %", or with several seeds "86.01 ± 0.21 %".
[[nodiscard]] Cell percent_cell(const Spread& fraction);
[[nodiscard]] Cell number_cell(double value, int digits);
// A figure of the paper, to stand beside a measured one; "" where it gives none.
[[nodiscard]] Cell published_cell(std::optional<double> value);

// Columns that every comparison has, and a run's values for them: accuracy before and after, reductions,
// speed, counts; validation accuracy of the last round before its fine-tuning, at its end and at its best;
// time and memory. Means over seeds, with the deviation of accuracies and reductions. A cell is empty where a
// run's log does not say.
[[nodiscard]] std::vector<std::string> result_header();
[[nodiscard]] std::vector<Cell> result_cells(const std::vector<app::RunHistory>& runs);

// What must be said beside accuracies: a weak baseline, one seed, differences within their deviation.
[[nodiscard]] std::vector<std::string> cautions(const std::vector<std::vector<app::RunHistory>>& arms);

}  // namespace secateur::experiments
