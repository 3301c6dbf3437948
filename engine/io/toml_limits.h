// What a recipe may look like, checked on its text before the TOML library builds anything of it.
#pragma once

#include <cstdint>
#include <string_view>

namespace secateur {

inline constexpr std::int64_t kMaxRecipeBytes = std::int64_t{1} << 20;
inline constexpr std::int64_t kMaxKeyParts = 16;

// Throws Error that names file and line for a text that is too long, and for a key or section of more than
// kMaxKeyParts parts. Each part is a table inside a table, which the library builds and frees by recursion: a
// key of a few kilobytes would use up the stack.
void check_toml_limits(std::string_view text, std::string_view name);

}  // namespace secateur
