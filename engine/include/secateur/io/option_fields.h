// How each type of an options struct's field becomes a value of a recipe and back: the part of io/options.h
// that depends on types.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "secateur/core/error.h"
#include "secateur/io/recipe.h"

namespace secateur {

enum class OptionKind : std::uint8_t { integer, real, boolean, text, choice, integers, reals, texts };

// Least and greatest value that an integer field can hold and a recipe can say.
struct IntegerLimits {
  std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  std::int64_t highest = std::numeric_limits<std::int64_t>::max();
};

// Specialise with `static constexpr std::array<std::pair<Enum, std::string_view>, N> kTable`.
template <class Enum>
struct EnumNames;

// "cosine" for Schedule::cosine; throws Error for a value that is not in the table.
template <class Enum>
requires std::is_enum_v<Enum>
[[nodiscard]] std::string_view option_name(Enum value) {
  for (const auto& [known, name] : EnumNames<Enum>::kTable) {
    if (known == value) return name;
  }
  fail("an enumeration has no name for its value {}", static_cast<std::int64_t>(value));
}

template <OptionKind Kind>
struct OptionFieldBase {
  static constexpr OptionKind kKind = Kind;
  static constexpr bool kOptional = false;
  static constexpr IntegerLimits kLimits{};
  static std::vector<std::string> names() { return {}; }
};

// Fields that are an alternative of RecipeValue themselves.
template <class T, OptionKind Kind>
struct PlainOptionField : OptionFieldBase<Kind> {
  static std::optional<RecipeValue> read(const T& field) { return RecipeValue(field); }
  static void store(T& field, const std::optional<RecipeValue>& value) { field = std::get<T>(value.value()); }
};

template <class T>
struct OptionField;

template <>
struct OptionField<bool> : PlainOptionField<bool, OptionKind::boolean> {};
template <>
struct OptionField<double> : PlainOptionField<double, OptionKind::real> {};
template <>
struct OptionField<std::string> : PlainOptionField<std::string, OptionKind::text> {};
template <>
struct OptionField<std::vector<std::int64_t>>
    : PlainOptionField<std::vector<std::int64_t>, OptionKind::integers> {};
template <>
struct OptionField<std::vector<double>> : PlainOptionField<std::vector<double>, OptionKind::reals> {};
template <>
struct OptionField<std::vector<std::string>> : PlainOptionField<std::vector<std::string>, OptionKind::texts> {
};

template <std::integral T>
struct OptionField<T> : OptionFieldBase<OptionKind::integer> {
  static constexpr std::int64_t limited(auto bound) {
    return std::in_range<std::int64_t>(bound) ? static_cast<std::int64_t>(bound) : IntegerLimits{}.highest;
  }
  static constexpr IntegerLimits kLimits{limited(std::numeric_limits<T>::min()),
                                         limited(std::numeric_limits<T>::max())};

  static std::optional<RecipeValue> read(const T& field) {
    require(std::in_range<std::int64_t>(field), "{} is more than a recipe can hold", field);
    return RecipeValue(static_cast<std::int64_t>(field));
  }
  static void store(T& field, const std::optional<RecipeValue>& value) {
    field = static_cast<T>(std::get<std::int64_t>(value.value()));
  }
};

template <>
struct OptionField<std::filesystem::path> : OptionFieldBase<OptionKind::text> {
  static std::optional<RecipeValue> read(const std::filesystem::path& field) {
    return RecipeValue(field.string());
  }
  static void store(std::filesystem::path& field, const std::optional<RecipeValue>& value) {
    field = std::get<std::string>(value.value());
  }
};

template <class Enum>
requires std::is_enum_v<Enum>
struct OptionField<Enum> : OptionFieldBase<OptionKind::choice> {
  static std::vector<std::string> names() {
    std::vector<std::string> names;
    names.reserve(EnumNames<Enum>::kTable.size());
    for (const auto& [value, name] : EnumNames<Enum>::kTable) names.emplace_back(name);
    return names;
  }
  static std::optional<RecipeValue> read(const Enum& field) {
    return RecipeValue(std::string(option_name(field)));
  }
  static void store(Enum& field, const std::optional<RecipeValue>& value) {
    const auto& wanted = std::get<std::string>(value.value());
    for (const auto& [known, name] : EnumNames<Enum>::kTable) {
      if (name == wanted) field = known;
    }
  }
};

template <class T>
struct OptionField<std::optional<T>> : OptionField<T> {
  static constexpr bool kOptional = true;

  static std::optional<RecipeValue> read(const std::optional<T>& field) {
    return field ? OptionField<T>::read(*field) : std::nullopt;
  }
  static void store(std::optional<T>& field, const std::optional<RecipeValue>& value) {
    if (!value) {
      field.reset();
      return;
    }
    OptionField<T>::store(field.emplace(), value);
  }
};

}  // namespace secateur
