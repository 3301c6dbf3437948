// How a run of train or prune begins and ends: its folder, the options that a resumed run was started with,
// and what is said when it was interrupted or is done.
#pragma once

#include <functional>
#include <string>

#include "secateur/option_flags.h"
#include "secateur/session.h"

namespace secateur::app {

// Opens the folder of the run (options.run.out, or `default_out` where none was given). With `resume`, the
// options become those that the run was started with, and flags given now go before them; a difference is
// printed. `flags` were applied to `options` before. Throws Error like RunFolder, and when the stored recipe
// cannot be read.
// Joins the other processes of the job, if there are any.
[[nodiscard]] RunFolder begin_run(RunOptions& options, OptionFlags& flags, bool resume,
                                  const std::string& default_out);

// Does the work, writes the report and prints where things are. Returns the exit code: 0, or 130 when the
// user interrupted it. `word` is the program's word that goes on with it.
int finish_run(const RunFolder& folder, const char* word, const std::function<void()>& work);

}  // namespace secateur::app
