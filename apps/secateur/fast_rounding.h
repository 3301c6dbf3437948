// `--round-to auto`: the multiples to which a network's widths are rounded, by the device that it is for.
#pragma once

#include <optional>
#include <string>

#include "secateur/prune/fast_widths.h"
#include "secateur/run_options.h"

namespace secateur::app {

// The pruning options with `round_to` settled, and what a person is told of it (a line a space; empty where
// nothing was to be settled). Throws Error for a GPU that is not known, and where this build cannot ask
// cuDNN.
struct SettledRounding {
  PruneOptions options;
  std::string text;
};
[[nodiscard]] SettledRounding settled_rounding(const RunOptions& options, const Graph& graph);

}  // namespace secateur::app
