// inspect --verify: is the network with channels removed the network with these channels masked?
#pragma once

#include <filesystem>

#include "secateur/run_options.h"
#include "secateur/session.h"

namespace secateur::app {

// Without a base: masks and removes a fixed share of the given model's channels, and compares the two. With
// the unpruned base: rebuilds the given model's removal from its stored original indices, applied to the base
// by mask and by removal. Prints the largest differences of the outputs over a batch of images; exit code 1
// above 1e-5 relative.
int run_verify(const RunOptions& options, Session& session, LoadedModel& loaded,
               const std::filesystem::path& base, bool json);

}  // namespace secateur::app
