// How the user calls this program, so that the commands in its hints and examples can be copied.
#pragma once

#include <string>
#include <string_view>

namespace secateur::app {

// "./secateur" behind the launcher, which tells in SECATEUR_CALLED_AS how it was called itself; else the
// program's own path as it was typed.
[[nodiscard]] std::string called_as();

// `text` with every command that starts with "secateur " spelled so.
[[nodiscard]] std::string as_called(std::string_view text);

}  // namespace secateur::app
