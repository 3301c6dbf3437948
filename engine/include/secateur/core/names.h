// Names that people type: how far two of them are apart, and which known one was probably meant.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

namespace secateur {

// Least number of inserted, deleted, replaced or (adjacent) swapped characters that turn one name into the
// other
// ("optimal string alignment").
[[nodiscard]] std::int64_t edit_distance(std::string_view a, std::string_view b);

// ASCII letters in lower case, everything else as it is.
[[nodiscard]] std::string lower_case(std::string_view text);

// Distance up to which a mistyped name is taken for another: a third of its length, at least 2.
[[nodiscard]] std::int64_t plausible_typo_distance(std::string_view name);

// The candidate nearest to `name`, capitals not regarded, the first one of several; none when all are further
// away than `limit`.
template <std::ranges::input_range Range>
requires std::convertible_to<std::ranges::range_reference_t<Range>, std::string_view>
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view name, Range&& candidates,
                                                      std::int64_t limit) {
  const std::string wanted = lower_case(name);
  std::optional<std::string> nearest;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (const std::string_view candidate : candidates) {
    const std::int64_t distance = edit_distance(wanted, lower_case(candidate));
    if (distance > limit || distance >= least) continue;
    least = distance;
    nearest = std::string(candidate);
  }
  return nearest;
}

template <std::ranges::input_range Range>
requires std::convertible_to<std::ranges::range_reference_t<Range>, std::string_view>
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view name, Range&& candidates) {
  return nearest_name(name, candidates, plausible_typo_distance(name));
}

// The names that a map knows.
template <class Map>
[[nodiscard]] std::vector<std::string_view> keys_of(const Map& map) {
  std::vector<std::string_view> keys;
  keys.reserve(map.size());
  for (const auto& [key, value] : map) keys.emplace_back(key);
  return keys;
}

// What to add to an error about an unknown name: "; did you mean 'resnet20'?", or nothing.
template <std::ranges::input_range Range>
requires std::convertible_to<std::ranges::range_reference_t<Range>, std::string_view>
[[nodiscard]] std::string did_you_mean(std::string_view name, Range&& candidates) {
  const std::optional<std::string> nearest = nearest_name(name, candidates);
  return nearest ? "; did you mean '" + *nearest + "'?" : "";
}

}  // namespace secateur
