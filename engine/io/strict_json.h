// JSON from strangers: parsed with a limit on depth, and with every key once. Only for .cpp files.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace secateur {

// Throws Error that begins with the origin in quotes: not JSON, nested deeper than `max_depth` objects and
// lists, a key that stands twice in one object.
[[nodiscard]] nlohmann::json parse_strict_json(std::string_view text, const std::string& origin,
                                               int max_depth);

// Text of a file for an error message: cut, and without what would disturb a terminal.
[[nodiscard]] std::string shown_text(std::string_view text);

// Members of an object, with errors that begin with `where` and name the key, what was expected and what
// came. The object must outlive it.
class JsonMembers {
 public:
  JsonMembers(const nlohmann::json& object, std::string where);
  [[nodiscard]] const nlohmann::json& at(const char* key) const;
  [[nodiscard]] std::string text(const char* key) const;  // of at most 4,096 bytes
  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t lowest, std::int64_t highest) const;
  [[nodiscard]] double real(const char* key, double lowest, double highest) const;
  [[nodiscard]] bool boolean(const char* key) const;
  // A list of at most so many values.
  [[nodiscard]] const nlohmann::json& list(const char* key, std::size_t most) const;

 private:
  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace secateur
