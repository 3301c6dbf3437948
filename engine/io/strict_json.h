// JSON from strangers: parsed with a limit on depth, and with every key once. Only for .cpp files.
#pragma once

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

}  // namespace secateur
