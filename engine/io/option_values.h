// What options make of values: from text, between kinds, against rules.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "secateur/io/options.h"

namespace secateur {

// The value that text stands for in an option of that kind; the text itself, as a string, when it stands for
// none.
[[nodiscard]] RecipeValue parsed(OptionKind kind, std::string_view text);

// The value as an option of that kind keeps it: integers serve as real numbers where no digit is lost, an
// empty list as any list. Nothing when it does not fit.
[[nodiscard]] std::optional<RecipeValue> converted(OptionKind kind, const RecipeValue& value);

// Whether a converted value is within the option's range, its field's type and its names. NaN never is.
[[nodiscard]] bool obeys(const Option& option, const RecipeValue& value);

// "an integer of at least 1", "a list of real numbers above 0 and of at most 1 each", "one of step, cosine".
[[nodiscard]] std::string description_of(const Option& option);

}  // namespace secateur
