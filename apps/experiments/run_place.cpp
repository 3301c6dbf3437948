#include "experiments/run_place.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

namespace secateur::experiments {
namespace {

namespace fs = std::filesystem;

// Whether all that `one` names and `other` does not is at its default.
bool rest_is_default(const Recipe& one, const Recipe& other, const Recipe& defaults) {
  return std::ranges::all_of(one.entries(), [&](const auto& entry) {
    const auto& [key, value] = entry;
    return other.contains(key) || (defaults.contains(key) && defaults.at(key) == value.value);
  });
}

}  // namespace

bool same_run(const Recipe& stored, const Recipe& wanted, const Recipe& defaults) {
  const bool equal = std::ranges::all_of(stored.entries(), [&](const auto& entry) {
    const auto& [key, value] = entry;
    return !wanted.contains(key) || wanted.at(key) == value.value;
  });
  return equal && rest_is_default(wanted, stored, defaults) && rest_is_default(stored, wanted, defaults);
}

fs::path place_of_run(const fs::path& parent, const std::string& name, const Recipe& wanted,
                      const Recipe& defaults) {
  const std::string text = wanted.to_toml();
  const std::uint64_t hash = XXH3_64bits(text.data(), text.size()) & 0xFFFFFFFFU;
  fs::path fresh = parent / fmt::format("{}-{:08x}", name, hash);
  if (fs::exists(fresh) || !fs::exists(parent)) return fresh;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent)) {
    const fs::path recipe = entry.path() / "recipe.toml";
    if (!entry.path().filename().string().starts_with(name + "-") || !fs::exists(recipe)) continue;
    if (same_run(Recipe::from_file(recipe), wanted, defaults)) return entry.path();
  }
  return fresh;
}

}  // namespace secateur::experiments
