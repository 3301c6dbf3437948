// Where a run with given options lies among others, so that it is found again and not run twice.
#pragma once

#include <filesystem>
#include <string>

#include "secateur/io/recipe.h"

namespace secateur::experiments {

// Whether a run of the recipe `stored` is one of `wanted`: all that both name is equal, and what only one of
// them names is at its default. An option that was added since the run has changed nothing about it; an
// option whose default has changed has.
[[nodiscard]] bool same_run(const Recipe& stored, const Recipe& wanted, const Recipe& defaults);

// The folder of `parent` whose name begins with `name` and whose recipe.toml is that of the same run; where
// there is none, a new name: `name`, then a hash of all of `wanted`. Throws Error for a recipe that cannot be
// read.
[[nodiscard]] std::filesystem::path place_of_run(const std::filesystem::path& parent, const std::string& name,
                                                 const Recipe& wanted, const Recipe& defaults);

}  // namespace secateur::experiments
