// What a budget counts. The planner knows cost as a number of a graph and nothing of where it comes from:
// multiply-adds and parameters are counted here; bytes and seconds depend on a device, and come as a function
// from who has one (runtime/step_memory.h, runtime/layer_times.h).
#pragma once

#include <functional>
#include <string>

#include "secateur/graph/graph.h"
#include "secateur/prune/prune_options.h"

namespace secateur {

// Multiply-adds, parameters, bytes or seconds of a network; the same for the same graph. It need not rise
// with the widths.
using CostOfGraph = std::function<double(const Graph&)>;

// The measures that are counted off the graph alone. Throws Error for those that need a device.
[[nodiscard]] CostOfGraph count_of(BudgetMeasure measure);

// What may remain, in the measure's unit, of an unpruned network that costs `base`.
[[nodiscard]] double budget_of(const BudgetOptions& options, double base);

// "6.25 M multiply-adds", "78,042 parameters", "12.0 MiB", "1.52 ms": for people.
[[nodiscard]] std::string cost_text(BudgetMeasure measure, double cost);

}  // namespace secateur
