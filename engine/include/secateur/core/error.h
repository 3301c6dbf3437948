// Errors of the engine are exceptions of one type, with a message that a user can act on: what was expected,
// what came, and where (file, layer, offset). Nothing is printed from inside the library, and nothing ends
// the process.
#pragma once

#include <fmt/format.h>

#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace secateur {

class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, std::source_location where = std::source_location::current())
      : std::runtime_error(message), where_(where) {}

  // Source line that raised the error, for developers; what() is for users.
  [[nodiscard]] const std::source_location& where() const noexcept { return where_; }

 private:
  std::source_location where_;
};

// A format string that remembers where it was written, so that require() and fail() need no macro.
template <class... Args>
struct LocatedFormat {
  template <class String>
  // Implicit, since call sites pass a literal. NOLINTNEXTLINE(google-explicit-constructor)
  consteval LocatedFormat(const String& text, std::source_location location = std::source_location::current())
      : format(text), where(location) {}

  fmt::format_string<Args...> format;
  std::source_location where;
};

// Throws an Error with the formatted message.
template <class... Args>
[[noreturn]] void fail(LocatedFormat<std::type_identity_t<Args>...> text, Args&&... args) {
  throw Error(fmt::format(text.format, std::forward<Args>(args)...), text.where);
}

// Throws an Error with the formatted message unless `condition` holds.
template <class... Args>
void require(bool condition, LocatedFormat<std::type_identity_t<Args>...> text, Args&&... args) {
  if (!condition) throw Error(fmt::format(text.format, std::forward<Args>(args)...), text.where);
}

}  // namespace secateur
