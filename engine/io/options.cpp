#include "secateur/io/options.h"

#include <algorithm>

#include "io/option_values.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur {
namespace {

constexpr std::string_view kNone = "none";

std::string_view last_part(std::string_view key) { return key.substr(key.rfind('.') + 1); }

// Takes over what `rule` says and `combined` does not say yet.
void combine(OptionRule& combined, const OptionRule& rule) {
  if (rule.minimum) {
    combined.minimum = rule.minimum;
    combined.minimum_excluded = rule.minimum_excluded;
  }
  if (rule.maximum) {
    combined.maximum = rule.maximum;
    combined.maximum_excluded = rule.maximum_excluded;
  }
  if (!rule.unit.empty()) combined.unit = rule.unit;
  if (!rule.choices.empty()) combined.choices = rule.choices;
}

std::string expected_instead_of(const Option& option, const RecipeValue& given) {
  // Limits of the field's type are no news to anyone but who went past them.
  const auto* integer = std::get_if<std::int64_t>(&given);
  const auto [lowest, highest] = option.limits;
  if (option.kind == OptionKind::integer && integer != nullptr && (*integer < lowest || *integer > highest)) {
    return fmt::format("an integer of at least {} and at most {}", lowest, highest);
  }
  return option.expected();
}

// The value in the option's own kind, or nothing for "none".
std::optional<RecipeValue> accepted(const Option& option, const RecipeValue& given, std::string_view origin) {
  const auto* text = std::get_if<std::string>(&given);
  if (option.optional && text != nullptr && *text == kNone) return std::nullopt;
  std::optional<RecipeValue> value = converted(option.kind, given);
  if (!value || !obeys(option, *value)) {
    const std::string hint =
        text != nullptr && !option.rule.choices.empty() ? did_you_mean(*text, option.rule.choices) : "";
    fail("{}{}{}: expected {}, got {} ({}){}", origin, origin.empty() ? "" : ": ", option.key,
         expected_instead_of(option, given), to_toml(given), kind_of(given), hint);
  }
  return value;
}

}  // namespace

OptionRule at_least(double minimum) {
  OptionRule rule;
  rule.minimum = minimum;
  return rule;
}

OptionRule at_most(double maximum) {
  OptionRule rule;
  rule.maximum = maximum;
  return rule;
}

OptionRule above(double minimum) {
  OptionRule rule = at_least(minimum);
  rule.minimum_excluded = true;
  return rule;
}

OptionRule below(double maximum) {
  OptionRule rule = at_most(maximum);
  rule.maximum_excluded = true;
  return rule;
}

OptionRule between(double minimum, double maximum) {
  OptionRule rule = at_least(minimum);
  rule.maximum = maximum;
  return rule;
}

OptionRule unit(std::string name) {
  OptionRule rule;
  rule.unit = std::move(name);
  return rule;
}

OptionRule one_of(std::vector<std::string> names) {
  OptionRule rule;
  rule.choices = std::move(names);
  return rule;
}

std::string Option::expected() const { return description_of(*this) + (optional ? " or \"none\"" : ""); }

std::string Option::text() const {
  const std::optional<RecipeValue> value = read();
  if (!value) return std::string(kNone);
  const auto* plain = std::get_if<std::string>(&*value);
  return plain != nullptr ? *plain : to_toml(*value);
}

void OptionList::add(Option option, const std::vector<OptionRule>& rules) {
  require(std::ranges::find(options_, option.key, &Option::key) == options_.end(),
          "option '{}' is described twice", option.key);
  for (const OptionRule& rule : rules) combine(option.rule, rule);
  if (option.kind == OptionKind::text && !option.rule.choices.empty()) option.kind = OptionKind::choice;
  if (const std::optional<RecipeValue> value = option.read()) accepted(option, *value, "default");
  option.default_text = option.text();
  options_.push_back(std::move(option));
}

const Option& OptionList::find(std::string_view key) const {
  const auto found = std::ranges::find(options_, key, &Option::key);
  if (found == options_.end()) fail_unknown(key, "");
  return *found;
}

void OptionList::fail_unknown(std::string_view key, std::string_view origin) const {
  std::vector<std::string_view> keys;
  keys.reserve(options_.size());
  for (const Option& option : options_) keys.emplace_back(option.key);
  std::string hint = did_you_mean(key, keys);
  if (hint.empty()) {
    // The right name in the wrong section, or in none.
    const auto same =
        std::ranges::find(options_, last_part(key), [](const Option& o) { return last_part(o.key); });
    if (same != options_.end()) hint = fmt::format("; did you mean '{}'?", same->key);
  }
  fail("{}{}unknown option '{}'{}", origin, origin.empty() ? "" : ": ", key, hint);
}

void OptionList::apply(const Recipe& recipe, UnknownKeys unknown) {
  std::vector<std::pair<const Option*, std::optional<RecipeValue>>> changes;
  for (const auto& [key, entry] : recipe.entries()) {
    const auto option = std::ranges::find(options_, key, &Option::key);
    if (option != options_.end()) {
      changes.emplace_back(&*option, accepted(*option, entry.value, entry.origin));
    } else if (unknown == UnknownKeys::refuse) {
      fail_unknown(key, entry.origin);
    }
  }
  for (const auto& [option, value] : changes) option->store(value);
}

void OptionList::set(std::string_view key, std::string_view text) {
  const Option& option = find(key);
  option.store(accepted(option, parsed(option.kind, text), ""));
}

Recipe OptionList::to_recipe() const {
  Recipe recipe;
  for (const Option& option : options_) {
    if (std::optional<RecipeValue> value = option.read()) recipe.set(option.key, *std::move(value));
  }
  return recipe;
}

}  // namespace secateur
