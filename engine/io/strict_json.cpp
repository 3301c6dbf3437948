#include "io/strict_json.h"

#include <set>
#include <utility>
#include <vector>

#include "secateur/core/error.h"

namespace secateur {

using nlohmann::json;

namespace {

std::string shown_value(const json& value) {
  return shown_text(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace

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

JsonMembers::JsonMembers(const json& object, std::string where) : object_(object), where_(std::move(where)) {
  require(object.is_object(), "{} must be an object, got {}", where_, shown_value(object));
}

const json& JsonMembers::at(const char* key) const {
  const auto found = object_.find(key);
  require(found != object_.end(), "{} has no '{}'", where_, key);
  return *found;
}

std::string JsonMembers::text(const char* key) const {
  constexpr std::size_t kLongest = 4096;
  const json& value = at(key);
  require(value.is_string() && value.get_ref<const std::string&>().size() <= kLongest,
          "{}: '{}' must be a text of at most {} bytes, got {}", where_, key, kLongest, shown_value(value));
  return value.get<std::string>();
}

std::int64_t JsonMembers::integer(const char* key, std::int64_t lowest, std::int64_t highest) const {
  const json& value = at(key);
  const bool held = value.is_number_integer() &&
                    (!value.is_number_unsigned() || std::in_range<std::int64_t>(value.get<std::uint64_t>()));
  require(held && value.get<std::int64_t>() >= lowest && value.get<std::int64_t>() <= highest,
          "{}: '{}' must be a whole number from {} to {}, got {}", where_, key, lowest, highest,
          shown_value(value));
  return value.get<std::int64_t>();
}

double JsonMembers::real(const char* key, double lowest, double highest) const {
  const json& value = at(key);
  require(value.is_number() && value.get<double>() >= lowest && value.get<double>() <= highest,
          "{}: '{}' must be a number from {} to {}, got {}", where_, key, lowest, highest,
          shown_value(value));
  return value.get<double>();
}

bool JsonMembers::boolean(const char* key) const {
  const json& value = at(key);
  require(value.is_boolean(), "{}: '{}' must be true or false, got {}", where_, key, shown_value(value));
  return value.get<bool>();
}

const json& JsonMembers::list(const char* key, std::size_t most) const {
  const json& value = at(key);
  require(value.is_array() && value.size() <= most, "{}: '{}' must be a list of at most {} values", where_,
          key, most);
  return value;
}

}  // namespace secateur
