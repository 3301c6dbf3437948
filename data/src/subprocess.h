// Runs a program of the system, without a shell.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace secateur::data {

struct ProgramResult {
  int exit_code = 0;   // 128 + signal when a signal ended it
  std::string output;  // standard output and standard error, as they came
};

// Finds `arguments[0]` on PATH and waits for its end; standard input is empty. `tick` is called about once a
// second while it runs. None when there is no such program. Throws Error when the system cannot start it;
// when `tick` throws, the program is ended first.
[[nodiscard]] std::optional<ProgramResult> run_program(const std::vector<std::string>& arguments,
                                                       const std::function<void()>& tick = {});

}  // namespace secateur::data
