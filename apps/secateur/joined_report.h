// secateur report: several runs on one page, made from their run logs.
#pragma once

#include <filesystem>
#include <vector>

namespace secateur::app {

// Each folder is a run, or holds runs at any depth (an experiment's does). Throws Error for a folder that
// holds none.
[[nodiscard]] std::vector<std::filesystem::path> find_runs(const std::vector<std::filesystem::path>& folders);

// One HTML page that stands alone: a table with a row a run, accuracy against multiply-adds, and accuracy by
// epoch.
[[nodiscard]] std::string joined_report(const std::vector<std::filesystem::path>& runs);

int run_report(const std::vector<std::filesystem::path>& folders, const std::filesystem::path& out);

}  // namespace secateur::app
