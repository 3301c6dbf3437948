// Data sets by name, as people type them: "cifar10", "cifar100", "imagefolder", "packed", "synthetic".
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/data/dataset.h"
#include "secateur/data/image_folder.h"
#include "secateur/data/synthetic.h"

namespace secateur::data {

// The known names, in the order in which help shows them.
[[nodiscard]] std::vector<std::string> dataset_names();

struct DatasetOptions {
  // Where the set stands on disk (see the set's header for where else is looked without one); sets that are
  // rendered do not use it.
  std::optional<std::filesystem::path> directory = {};
  SyntheticOptions synthetic = {};
  ImageFolderOptions images = {};  // of imagefolder; of packed the image size
};

// Opens a set. Throws Error that names the nearest known set for an unknown one, and whatever opening it
// throws.
[[nodiscard]] DataSets open_dataset(std::string_view name, const DatasetOptions& options = {});

}  // namespace secateur::data
