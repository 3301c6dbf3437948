#include "io/strict_json.h"

#include <set>
#include <vector>

#include "secateur/core/error.h"

namespace secateur {

using nlohmann::json;

std::string shown_text(std::string_view text) {
  constexpr std::size_t kMost = 80;
  std::string clean(text.substr(0, kMost));
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text.size() > kMost ? clean + "..." : clean;
}

json parse_strict_json(std::string_view text, const std::string& origin, int max_depth) {
  std::vector<std::set<std::string>> keys;
  const json::parser_callback_t check = [&](int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      require(depth < max_depth, "'{}': the JSON is nested deeper than {} levels", origin, max_depth);
    }
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      require(keys.back().insert(key).second, "'{}': the JSON has '{}' twice", origin, shown_text(key));
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& error) {
    fail("'{}': not valid JSON: {}", origin, shown_text(error.what()));
  }
}

}  // namespace secateur
