// Readers of text files against damage: an Error that says what is wrong, or some value, and never a crash.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "secateur/core/error.h"

namespace secateur::test {

// Cut short anywhere, `text` is refused; with any byte changed into one of `bytes` it is refused with a
// message or read as something else.
template <class Parse>
void expect_damage_is_named(const std::string& text, std::string_view bytes, const Parse& parse) {
  for (std::size_t length = 0; length + 2 < text.size(); ++length) {
    EXPECT_THROW(static_cast<void>(parse(text.substr(0, length))), Error) << length;
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char with : bytes) {
      std::string damaged = text;
      damaged[at] = with;
      try {
        static_cast<void>(parse(damaged));
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()), "");
      }
    }
  }
}

// With the first `what` changed into `with`, `text` is refused by a message that holds `told`.
template <class Parse>
void expect_refused(std::string text, std::string_view what, std::string_view with, std::string_view told,
                    const Parse& parse) {
  const std::size_t at = text.find(what);
  ASSERT_NE(at, std::string::npos) << what;
  text.replace(at, what.size(), with);
  try {
    static_cast<void>(parse(text));
    FAIL() << with << " was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(told), std::string::npos) << error.what();
  }
}

}  // namespace secateur::test
