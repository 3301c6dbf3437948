#include "io/toml_limits.h"

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {
namespace {

// Where the string that begins at `begin` ends: behind its closing quotes, at the end of the line for one
// that lacks them. Three quotes open one that may hold line breaks; only double quotes know escapes.
std::size_t end_of_string(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  const std::string_view three = quote == '"' ? "\"\"\"" : "'''";
  const bool several_lines = text.substr(begin, 3) == three;
  std::size_t at = begin + (several_lines ? 3 : 1);
  while (at < text.size()) {
    if (text[at] == '\\' && quote == '"') {
      at += 2;
    } else if (several_lines && text.substr(at, 3) == three) {
      at += 3;
      // One or two more quotes before the closing ones belong to the text.
      while (at < text.size() && text[at] == quote) ++at;
      return at;
    } else if (!several_lines && text[at] == quote) {
      return at + 1;
    } else if (!several_lines && text[at] == '\n') {
      return at;
    } else {
      ++at;
    }
  }
  return text.size();
}

}  // namespace

void check_toml_limits(std::string_view text, std::string_view name) {
  require(static_cast<std::int64_t>(text.size()) <= kMaxRecipeBytes,
          "{}: {} bytes are too many for a recipe: at most {} are read", name, text.size(), kMaxRecipeBytes);
  std::int64_t line = 1;
  std::int64_t parts = 1;
  for (std::size_t at = 0; at < text.size();) {
    const char letter = text[at];
    if (letter == '"' || letter == '\'') {
      const std::size_t end = end_of_string(text, at);
      for (; at < end; ++at) line += text[at] == '\n' ? 1 : 0;
      continue;
    }
    if (letter == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (letter == '.') {
      require(++parts <= kMaxKeyParts, "{}:{}: a key has more than {} parts", name, line, kMaxKeyParts);
    } else if (std::string_view("\n,=[]{}").find(letter) != std::string_view::npos) {
      parts = 1;
      line += letter == '\n' ? 1 : 0;
    }
    ++at;
  }
}

}  // namespace secateur
