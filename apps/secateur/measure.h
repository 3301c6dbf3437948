// What a network costs and what it does: accuracy on the test set, counts, file size, measured latency and
// throughput.
#pragma once

#include "secateur/io/run_log.h"
#include "secateur/run_history.h"
#include "secateur/session.h"

namespace secateur::app {

// Latency is the median of runs of one image, throughput of batches of 256, after a warm-up, on the session's
// device with random images. `file` is the stored model.
[[nodiscard]] Measured measure_network(Model& model, Session& session, BatchSource& test,
                                       const std::filesystem::path& file);

// The event from which the report reads a measurement; `which` is "before" or "after".
void log_measured(EventSink& log, const std::string& which, const Measured& measured);

// Before and after as a table for the terminal.
[[nodiscard]] std::string before_after_text(const Measured& before, const Measured& after);

}  // namespace secateur::app
