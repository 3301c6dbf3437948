// Runs another program and reads what it prints: for what the machine can tell (nvidia-smi, git), never
// through a shell.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace secateur::app {

// Standard output of the program, or nothing when it is not there or fails.
[[nodiscard]] std::optional<std::string> output_of(const std::vector<std::string>& command);

// The first line, without its end.
[[nodiscard]] std::string first_line(const std::string& text);

}  // namespace secateur::app
