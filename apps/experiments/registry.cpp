#include <fmt/format.h>

#include <algorithm>

#include "experiments/definitions.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/prune/prune_options.h"

namespace secateur::experiments {

const std::vector<Experiment>& experiments() {
  static const std::vector<Experiment> all{table1(),  table2(), table3(),    table9(), table10(),
                                           compare(), fig2(),   fig4(),      fig5(),   fig7(),
                                           fig8(),    prop1(),  robustness()};
  return all;
}

const Experiment& find_experiment(std::string_view name) {
  std::vector<std::string> names;
  for (const Experiment& experiment : experiments()) {
    if (experiment.name == name) return experiment;
    names.push_back(experiment.name);
  }
  fail("there is no experiment '{}': expected one of {}{}", name, fmt::join(names, ", "),
       did_you_mean(name, names));
}

std::vector<Point> select_points(const std::vector<Point>& points, const std::vector<std::string>& globs) {
  if (globs.empty()) return points;
  std::string names;
  for (const Point& point : points) names += "\n  " + point.name;
  for (const std::string& glob : globs) {
    const bool used =
        std::ranges::any_of(points, [&](const Point& point) { return glob_matches(glob, point.name); });
    require(used, "'{}' matches no run of this experiment; it has:{}", glob, names);
  }
  const auto wanted = [&](const Point& point) {
    return std::ranges::any_of(globs,
                               [&](const std::string& glob) { return glob_matches(glob, point.name); });
  };
  std::vector<Point> result;
  for (const Point& point : points) {
    const bool lends_widths = std::ranges::any_of(
        points, [&](const Point& other) { return other.widths_of == point.name && wanted(other); });
    if (lends_widths || wanted(point)) result.push_back(point);
  }
  return result;
}

}  // namespace secateur::experiments
