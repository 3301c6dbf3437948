#include "io/option_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

template <class T>
std::optional<RecipeValue> parse_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return RecipeValue(value);
}

std::optional<RecipeValue> parse_boolean(std::string_view text) {
  const std::string word = lower_case(text);
  for (const std::string_view yes : {"true", "yes", "on"}) {
    if (word == yes) return RecipeValue(true);
  }
  for (const std::string_view no : {"false", "no", "off"}) {
    if (word == no) return RecipeValue(false);
  }
  return std::nullopt;
}

std::optional<RecipeValue> parse_toml_list(std::string_view text) {
  try {
    return Recipe::from_text(fmt::format("list = {}", text)).at("list");
  } catch (const Error&) {
    return std::nullopt;  // the caller says what was expected
  }
}

// "80, 120", or a list as in TOML.
template <class T>
std::optional<RecipeValue> parse_list(std::string_view text) {
  if (text.starts_with('[')) return parse_toml_list(text);
  std::vector<T> values;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = trimmed(text.substr(0, comma));
    if constexpr (std::is_same_v<T, std::string>) {
      values.emplace_back(part);
    } else {
      const std::optional<RecipeValue> value = parse_number<T>(part);
      if (!value) return std::nullopt;
      values.push_back(std::get<T>(*value));
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return RecipeValue(std::move(values));
}

// A real number that equals the integer; nothing past 2^53, where not every integer has one.
std::optional<double> exact_real(std::int64_t value) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 53;
  if (value < -kLimit || value > kLimit) return std::nullopt;
  return static_cast<double>(value);
}

template <class T>
std::optional<RecipeValue> kept(const RecipeValue& value) {
  return std::holds_alternative<T>(value) ? std::optional(value) : std::nullopt;
}

template <class T>
std::optional<RecipeValue> as_list(const RecipeValue& value) {
  if (std::holds_alternative<std::vector<T>>(value)) return value;
  const auto* strings = std::get_if<std::vector<std::string>>(&value);
  if (strings != nullptr && strings->empty()) return RecipeValue(std::vector<T>{});
  const auto* integers = std::get_if<std::vector<std::int64_t>>(&value);
  if constexpr (std::is_same_v<T, double>) {
    if (integers == nullptr) return std::nullopt;
    std::vector<double> reals;
    for (const std::int64_t integer : *integers) {
      const std::optional<double> real = exact_real(integer);
      if (!real) return std::nullopt;
      reals.push_back(*real);
    }
    return RecipeValue(std::move(reals));
  }
  return std::nullopt;
}

struct Obeys {
  const Option& option;

  bool operator()(double value) const {
    const OptionRule& rule = option.rule;
    if (std::isnan(value)) return false;
    if (rule.minimum && (rule.minimum_excluded ? value <= *rule.minimum : value < *rule.minimum))
      return false;
    return !rule.maximum || !(rule.maximum_excluded ? value >= *rule.maximum : value > *rule.maximum);
  }
  bool operator()(std::int64_t value) const {
    return value >= option.limits.lowest && value <= option.limits.highest &&
           (*this)(static_cast<double>(value));
  }
  bool operator()(bool /*value*/) const { return true; }
  bool operator()(const std::string& value) const {
    const std::vector<std::string>& names = option.rule.choices;
    return names.empty() || std::ranges::find(names, value) != names.end();
  }
  template <class T>
  bool operator()(const std::vector<T>& values) const {
    return std::ranges::all_of(values, *this);
  }
};

// " of at least 1 and below 10", or nothing.
std::string range_of(const Option& option) {
  const OptionRule& rule = option.rule;
  std::string text;
  if (rule.minimum)
    text += fmt::format(" {} {}", rule.minimum_excluded ? "above" : "of at least", *rule.minimum);
  if (!rule.minimum && option.limits.lowest == 0) text += " of at least 0";  // an unsigned field
  if (rule.maximum) {
    text += fmt::format("{} {} {}", text.empty() ? "" : " and",
                        rule.maximum_excluded ? "below" : "of at most", *rule.maximum);
  }
  return text;
}

}  // namespace

RecipeValue parsed(OptionKind kind, std::string_view text) {
  const std::string_view core = trimmed(text);
  std::optional<RecipeValue> value;
  switch (kind) {
    case OptionKind::integer:
      value = parse_number<std::int64_t>(core);
      break;
    case OptionKind::real:
      value = parse_number<double>(core);
      break;
    case OptionKind::boolean:
      value = parse_boolean(core);
      break;
    case OptionKind::text:
    case OptionKind::choice:
      break;
    case OptionKind::integers:
      value = parse_list<std::int64_t>(core);
      break;
    case OptionKind::reals:
      value = parse_list<double>(core);
      break;
    case OptionKind::texts:
      value = parse_list<std::string>(core);
      break;
  }
  return value ? *std::move(value) : RecipeValue(std::string(text));
}

std::optional<RecipeValue> converted(OptionKind kind, const RecipeValue& value) {
  switch (kind) {
    case OptionKind::integer:
      return kept<std::int64_t>(value);
    case OptionKind::real:
      if (const auto* integer = std::get_if<std::int64_t>(&value)) return exact_real(*integer);
      return kept<double>(value);
    case OptionKind::boolean:
      return kept<bool>(value);
    case OptionKind::text:
    case OptionKind::choice:
      return kept<std::string>(value);
    case OptionKind::integers:
      return as_list<std::int64_t>(value);
    case OptionKind::reals:
      return as_list<double>(value);
    case OptionKind::texts:
      return as_list<std::string>(value);
  }
  return std::nullopt;
}

bool obeys(const Option& option, const RecipeValue& value) { return std::visit(Obeys{option}, value); }

std::string description_of(const Option& option) {
  std::string names = fmt::format("one of {}", fmt::join(option.rule.choices, ", "));
  const std::string in_unit = option.rule.unit.empty() ? "" : fmt::format(" ({})", option.rule.unit);
  const std::string range = range_of(option);
  const std::string each = range.empty() ? "" : range + " each";
  switch (option.kind) {
    case OptionKind::integer:
      return "an integer" + range + in_unit;
    case OptionKind::real:
      return "a real number" + range + in_unit;
    case OptionKind::boolean:
      return "true or false";
    case OptionKind::text:
      return "a string";
    case OptionKind::choice:
      return names;
    case OptionKind::integers:
      return "a list of integers" + each + in_unit;
    case OptionKind::reals:
      return "a list of real numbers" + each + in_unit;
    case OptionKind::texts:
      return option.rule.choices.empty() ? "a list of strings" : "a list of strings, each " + names;
  }
  return "a value";
}

}  // namespace secateur
