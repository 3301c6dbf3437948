// Recipe: the options of a run as a TOML document, flattened to a sorted map "section.key" -> value.
//
//   [train]
//   epochs = 160            "train.epochs" -> 160
//   [train.schedule]
//   milestones = [80, 120]  "train.schedule.milestones" -> {80, 120}
//
// Values are what an option can be: integers, real numbers, booleans, strings and lists of integers, reals or
// strings (a list with integers and reals is one of reals). An empty list has no element type: it is kept as
// a list of strings and fits every list option. Key parts are bare TOML keys: letters, digits, '_' and '-'.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace secateur {

using RecipeValue = std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>,
                                 std::vector<double>, std::vector<std::string>>;

struct RecipeEntry {
  RecipeValue value;
  std::string origin;  // "file:line", or what the caller of set() said; for messages
};

class Recipe {
 public:
  // Throws Error that names file, line and column: a syntax error, or a value that no option can have (a
  // date, a list of tables, a list of mixed types). `name` stands for the file in messages.
  [[nodiscard]] static Recipe from_text(std::string_view toml, std::string_view name = "recipe");
  // The same from a file; throws Error when it cannot be read.
  [[nodiscard]] static Recipe from_file(const std::filesystem::path& path);

  // Adds or replaces a value. Throws Error for a malformed key, for one that is a section or runs through a
  // value, and for text that is not UTF-8.
  void set(std::string_view key, RecipeValue value, std::string_view origin = "");
  // Adds every entry of `later`, replacing those that are there. Throws Error, and changes nothing, where a
  // section of one is a value of the other.
  void merge(const Recipe& later);

  [[nodiscard]] bool contains(std::string_view key) const { return entries_.contains(key); }
  // Throws Error that names the nearest key.
  [[nodiscard]] const RecipeValue& at(std::string_view key) const;
  [[nodiscard]] const std::map<std::string, RecipeEntry, std::less<>>& entries() const { return entries_; }

  // TOML that from_text turns into an equal recipe, numbers bit for bit.
  [[nodiscard]] std::string to_toml() const;

  // Same keys and values, wherever they came from.
  bool operator==(const Recipe& other) const;

 private:
  std::map<std::string, RecipeEntry, std::less<>> entries_;
};

// "an integer", "a list of real numbers", ...
[[nodiscard]] std::string_view kind_of(const RecipeValue& value);

// The value as it stands in TOML: 160, 0.1, true, "cosine", [80, 120].
[[nodiscard]] std::string to_toml(const RecipeValue& value);

}  // namespace secateur
