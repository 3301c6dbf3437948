// secateur watch: a running job on the terminal, from its run log.
#pragma once

#include <filesystem>
#include <string>

#include "secateur/run_history.h"

namespace secateur::app {

// What there is to see of a run: what it is, its progress with speed and time left, and the rounds of a
// pruning run. `seconds_since` is how long ago the log was written to last.
[[nodiscard]] std::string watch_text(const std::string& name, const RunHistory& history,
                                     double seconds_since);

// True once the run has written its result.
[[nodiscard]] bool is_finished(const RunHistory& history);

// Shows the run in `folder`, and again whenever its log grows, until it is finished or the user interrupts;
// with `once`, shows it as it is. Throws Error when there is no run log.
int run_watch(const std::filesystem::path& folder, bool once);

}  // namespace secateur::app
