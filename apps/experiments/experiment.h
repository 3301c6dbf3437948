// An experiment of the paper as data: the runs that it takes and what is made of their results. A new one is
// a file here and a line in registry.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/findings.h"
#include "secateur/run_history.h"
#include "secateur/run_options.h"

namespace secateur::experiments {

// smoke: seconds, every artefact, no result. quick: minutes on two cores. full: the paper's settings.
enum class Scale : std::uint8_t { smoke, quick, full };

// One pruning run, from the trained network that its options describe.
struct Point {
  std::string name;
  app::RunOptions options;
};

struct Outcome {
  Point point;
  std::vector<app::RunHistory> runs;  // one a seed
};

struct Experiment {
  std::string name;         // "table2"
  std::string title;        // of the report
  std::string description;  // one line
  // `base` holds what recipe, flags and scale say; a point changes what it is about.
  std::function<std::vector<Point>(const app::RunOptions& base, Scale scale)> points;
  std::function<Findings(const std::vector<Outcome>& outcomes)> findings;
};

[[nodiscard]] const std::vector<Experiment>& experiments();
// Throws Error that names the nearest.
[[nodiscard]] const Experiment& find_experiment(std::string_view name);

}  // namespace secateur::experiments
