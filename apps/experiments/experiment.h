// An experiment of the paper as data: the runs that it takes and what is made of their results, or a study of
// one trained network. A new one is a function here and a line in registry.cpp.
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
  // The name of an earlier point, whose widths this one takes, seed by seed, in place of rates of its own.
  std::string widths_of = {};
  // What each layer's rates cost alone is measured on the trained network first, for the rate policy `cie`.
  bool measured_rates = false;
};

struct Outcome {
  Point point;
  std::vector<app::RunHistory> runs;  // one a seed
};

class Lab;

// What a study has at hand.
struct StudyContext {
  Lab& lab;
  const app::RunOptions& base;  // what recipe, flags and scale say
  Scale scale = Scale::smoke;
  std::int64_t seeds = 1;  // of pruning runs, where a study makes some
};

// Either points and findings, perhaps with a look at the network that they begin from, or a study.
struct Experiment {
  std::string name;         // "table2"
  std::string title;        // of the report
  std::string description;  // one line
  // `base` holds what recipe, flags and scale say; a point changes what it is about.
  std::function<std::vector<Point>(const app::RunOptions& base, Scale scale)> points = {};
  std::function<Findings(const std::vector<Outcome>& outcomes)> findings = {};
  std::function<Findings(const StudyContext& context)> study = {};
  std::function<void(const StudyContext& context, const std::vector<Outcome>& outcomes, Findings& findings)>
      look = {};
  // At full size, where nobody says otherwise.
  std::string model = "resnet56";
  std::string data = "cifar10";
};

[[nodiscard]] const std::vector<Experiment>& experiments();
// Throws Error that names the nearest.
[[nodiscard]] const Experiment& find_experiment(std::string_view name);

// The points whose names one of the globs (* and ?) matches, with those whose widths they take; all of them
// where there are no globs. Throws Error that lists the names for a glob that matches none.
[[nodiscard]] std::vector<Point> select_points(const std::vector<Point>& points,
                                               const std::vector<std::string>& globs);

}  // namespace secateur::experiments
