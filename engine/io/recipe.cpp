#include "secateur/io/recipe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "io/toml_reader.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/io/files.h"

namespace secateur {
namespace {

bool is_bare(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
}

void check_key(std::string_view key) {
  bool part_begins = true;
  for (const char letter : key) {
    require(is_bare(letter) || (letter == '.' && !part_begins),
            "'{}' is no key of a recipe: keys are letters, digits, '_' and '-', with sections before a '.'",
            key);
    part_begins = letter == '.';
  }
  require(!part_begins, "'{}' is no key of a recipe: its last part is empty", key);
}

// Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int following = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4) return false;
    std::uint32_t code = lead & (0x3FU >> following);
    for (int k = 0; k < following; ++k) {
      if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80) return false;
      code = (code << 6) | (static_cast<unsigned char>(text[i++]) & 0x3FU);
    }
    const bool overlong = (following == 2 && code < 0x800) || (following == 3 && code < 0x10000);
    if (overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
  }
  return true;
}

struct IsUtf8 {
  bool operator()(const std::string& text) const { return is_utf8(text); }
  bool operator()(const std::vector<std::string>& texts) const { return std::ranges::all_of(texts, is_utf8); }
  bool operator()(const auto& /*number*/) const { return true; }
};

struct WriteToml {
  std::string operator()(std::int64_t value) const { return fmt::format("{}", value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(double value) const {
    // fmt writes the fewest digits that read back as the same number.
    std::string text = fmt::format("{}", value);
    const bool looks_integer = std::isfinite(value) && text.find_first_of(".e") == std::string::npos;
    return looks_integer ? text + ".0" : text;
  }
  std::string operator()(const std::string& value) const {
    std::string text = "\"";
    for (const char letter : value) {
      const auto code = static_cast<unsigned char>(letter);
      if (letter == '"' || letter == '\\') {
        text += {'\\', letter};
      } else if (letter == '\n') {
        text += "\\n";
      } else if (letter == '\t') {
        text += "\\t";
      } else if (code < 0x20 || code == 0x7F) {
        text += fmt::format("\\u{:04X}", code);
      } else {
        text += letter;
      }
    }
    return text + '"';
  }
  template <class T>
  std::string operator()(const std::vector<T>& values) const {
    std::string text;
    for (const T& value : values) text += (text.empty() ? "" : ", ") + (*this)(value);
    return "[" + text + "]";
  }
};

}  // namespace

Recipe Recipe::from_text(std::string_view toml, std::string_view name) { return read_toml(toml, name); }

Recipe Recipe::from_file(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return from_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

void Recipe::set(std::string_view key, RecipeValue value, std::string_view origin) {
  check_key(key);
  require(std::visit(IsUtf8{}, value), "the text of '{}' is not UTF-8", key);
  for (std::size_t dot = key.find('.'); dot != std::string_view::npos; dot = key.find('.', dot + 1)) {
    require(!contains(key.substr(0, dot)), "'{}' cannot be set: '{}' is a value, not a section", key,
            key.substr(0, dot));
  }
  const std::string section = std::string(key) + '.';
  const auto below = entries_.lower_bound(section);
  require(below == entries_.end() || !below->first.starts_with(section),
          "'{}' cannot be set: it is a section", key);

  const bool empty_list = std::visit(
      [](const auto& content) {
        if constexpr (requires { content.front(); }) return content.empty();
        return false;
      },
      value);
  if (empty_list && !std::holds_alternative<std::string>(value)) value = std::vector<std::string>{};
  entries_.insert_or_assign(std::string(key), RecipeEntry{std::move(value), std::string(origin)});
}

void Recipe::merge(const Recipe& later) {
  Recipe merged = *this;
  for (const auto& [key, entry] : later.entries_) merged.set(key, entry.value, entry.origin);
  entries_ = std::move(merged.entries_);
}

const RecipeValue& Recipe::at(std::string_view key) const {
  const auto found = entries_.find(key);
  if (found != entries_.end()) return found->second.value;
  fail("the recipe has no '{}'{}", key, did_you_mean(key, keys_of(entries_)));
}

std::string Recipe::to_toml() const {
  // Keys by section: in TOML a section ends where the next one begins, and those without one come first.
  std::map<std::string, std::string> sections;
  for (const auto& [key, entry] : entries_) {
    const std::size_t dot = key.rfind('.');
    const std::string section = dot == std::string::npos ? "" : key.substr(0, dot);
    const std::string name = dot == std::string::npos ? key : key.substr(dot + 1);
    sections[section] += fmt::format("{} = {}\n", name, secateur::to_toml(entry.value));
  }
  std::string text;
  for (const auto& [section, lines] : sections) {
    if (!text.empty()) text += '\n';
    if (!section.empty()) text += fmt::format("[{}]\n", section);
    text += lines;
  }
  return text;
}

bool Recipe::operator==(const Recipe& other) const {
  return std::ranges::equal(entries_, other.entries_, [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.value == b.second.value;
  });
}

std::string_view kind_of(const RecipeValue& value) {
  constexpr std::array<std::string_view, std::variant_size_v<RecipeValue>> kKinds{
      "an integer",         "a real number",          "a boolean",        "a string",
      "a list of integers", "a list of real numbers", "a list of strings"};
  return kKinds.at(value.index());
}

std::string to_toml(const RecipeValue& value) { return std::visit(WriteToml{}, value); }

}  // namespace secateur
