// The folder that an experiment leaves: results.json, results.csv, the figures as SVG and PNG, report.html.
#pragma once

#include <filesystem>

#include "experiments/experiment.h"

namespace secateur::experiments {

// Writes all of it. `title` says what the experiment is and on what it was run. False when there are figures
// that could not be drawn as PNG (report/png.h).
[[nodiscard]] bool write_archive(const std::filesystem::path& out, const Experiment& experiment,
                                 const std::string& title, const std::vector<Outcome>& outcomes,
                                 const Findings& findings);

[[nodiscard]] std::string csv_of(const Table& table);
// For the terminal.
[[nodiscard]] std::string text_of(const Table& table);

}  // namespace secateur::experiments
