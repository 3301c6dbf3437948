// TOML text to Recipe, kept apart for the size of the parser's header.
#pragma once

#include <string_view>

#include "secateur/io/recipe.h"

namespace secateur {

// The contract of Recipe::from_text.
[[nodiscard]] Recipe read_toml(std::string_view text, std::string_view name);

}  // namespace secateur
