// The experiments that there are, one function each; registry.cpp lists them.
#pragma once

#include "experiments/experiment.h"

namespace secateur::experiments {

[[nodiscard]] Experiment table1();
[[nodiscard]] Experiment table2();
[[nodiscard]] Experiment table3();
[[nodiscard]] Experiment table9();
[[nodiscard]] Experiment table10();
[[nodiscard]] Experiment compare();
[[nodiscard]] Experiment fig2();
[[nodiscard]] Experiment fig4();
[[nodiscard]] Experiment fig5();
[[nodiscard]] Experiment fig7();
[[nodiscard]] Experiment fig8();
[[nodiscard]] Experiment prop1();
[[nodiscard]] Experiment robustness();

// What most of them make of their runs: a row an outcome, its name and the columns of every comparison.
[[nodiscard]] Findings compared(const std::vector<Outcome>& outcomes);
// The same with figures: top-1 against FLOPs removed and against measured speed, with the rows that no other
// beats in both.
[[nodiscard]] Findings compared_with_fronts(const std::vector<Outcome>& outcomes);
// A method of comparisons: cut to the budget of `base`, in equal epochs.
[[nodiscard]] Point method_point(const app::RunOptions& base, const std::string& name,
                                 const std::string& criterion, const std::string& rate_policy);
[[nodiscard]] std::vector<Point> compare_points(const app::RunOptions& base, Scale scale);

}  // namespace secateur::experiments
