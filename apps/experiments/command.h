// secateur run NAME: runs an experiment and leaves its results.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "secateur/option_flags.h"
#include "secateur/run_options.h"

namespace secateur::app {

struct ExperimentArguments {
  std::string name;  // empty: lists the experiments
  bool smoke = false;
  bool quick = false;
  std::int64_t seeds = 0;         // 0: three at full size, else one
  std::vector<std::string> only;  // globs of points' names; empty: every point
};

// Fills in what the size calls for where neither recipe nor flag says otherwise. Throws Error for an unknown
// name.
int run_experiment(RunOptions& options, const OptionFlags& flags, const ExperimentArguments& arguments);

}  // namespace secateur::app
