// A budget in one word, as people write it: 0.5, 20M, 1.5ms@256, 12MiB@256.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "secateur/prune/prune_options.h"

namespace secateur::app {

// The keys that the word stands for, and their texts. A number without a unit is a part of the unpruned
// network's cost. Units: k, M, G (counts); KiB, MiB, GiB, kB, MB, GB (memory); us, ms, s (latency). @BATCH
// (memory and latency): of an inference of so many images. Throws Error that says what was expected and what
// came.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> budget_keys(BudgetMeasure measure,
                                                                           const std::string& word);

// "FRACTION or TIME[@BATCH]": for --help.
[[nodiscard]] std::string budget_form(BudgetMeasure measure);
[[nodiscard]] std::string budget_help(BudgetMeasure measure);

// "50 % of its multiply-adds", "1.5 ms at batch 256": what a network is pruned to.
[[nodiscard]] std::string budget_text(const BudgetOptions& budget);

}  // namespace secateur::app
