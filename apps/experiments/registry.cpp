#include <fmt/format.h>

#include "experiments/definitions.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"

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

}  // namespace secateur::experiments
