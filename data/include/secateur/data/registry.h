// Data sets by name, as people type them: "cifar10", "cifar100", "synthetic".
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/data/dataset.h"
#include "secateur/data/synthetic.h"

namespace secateur::data {

// The known names, in the order in which help shows them.
[[nodiscard]] std::vector<std::string> dataset_names();

// Opens a set. `directory` is where it stands on disk (see the set's header for where else is looked without
// one); sets that are rendered do not use it. Throws Error that names the nearest known set for an unknown
// one, and whatever opening it throws.
[[nodiscard]] DataSets open_dataset(std::string_view name,
                                    const std::optional<std::filesystem::path>& directory = {},
                                    const SyntheticOptions& synthetic = {});

}  // namespace secateur::data
