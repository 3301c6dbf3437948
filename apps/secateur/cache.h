// Files that runs share on one machine: what was measured and chosen there once.
#pragma once

#include <filesystem>

#include "secateur/core/device.h"

namespace secateur::app {

// SECATEUR_CACHE, else XDG_CACHE_HOME/secateur, else HOME/.cache/secateur. Empty, and nothing is kept, where
// none of them is set, and where SECATEUR_CACHE is set to nothing.
[[nodiscard]] std::filesystem::path cache_folder();

// Engines of a GPU's convolutions (backend/conv_choices.h): taken from the cache at the start and kept there
// at the end. A file that is damaged, or of another GPU or library, is passed over with a line to the log,
// and replaced. Does nothing on other devices.
class KeptConvChoices {
 public:
  explicit KeptConvChoices(Stream& stream);
  ~KeptConvChoices();
  KeptConvChoices(const KeptConvChoices&) = delete;
  KeptConvChoices& operator=(const KeptConvChoices&) = delete;

 private:
  Stream& stream_;
  std::filesystem::path file_;  // empty: nothing is kept
};

}  // namespace secateur::app
