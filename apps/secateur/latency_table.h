// The table of layer times of a network on the session's device: read from the cache or the run's folder, and
// what is missing measured.
#pragma once

#include <filesystem>
#include <optional>

#include "secateur/progress.h"
#include "secateur/runtime/layer_timer.h"
#include "secateur/session.h"

namespace secateur::app {

struct LatencyTable {
  LatencyModel model;
  LayerTimes times;
  std::int64_t measured = 0;   // entries that were measured now
  std::filesystem::path file;  // in the cache; empty where there is none
};

struct LatencyTableOptions {
  std::int64_t batch = 256;
  std::int64_t granule = 8;             // widths are multiples of this
  std::filesystem::path cache = {};     // folder; empty: nothing is kept between runs
  std::filesystem::path run_file = {};  // the run's copy: read where it is there, and written
  TimerOptions timer = {};              // batch and precision are filled in
};

// Each entry is in the file before the next is measured, so that an interrupted measurement goes on where it
// was. A file of the cache that is damaged or of other conditions is passed over with a warning, and
// replaced; a run's copy that is damaged is an error. Throws Interrupted when Ctrl-C was pressed.
[[nodiscard]] LatencyTable latency_table(const Graph& network, Session& session,
                                         const LatencyTableOptions& options, Progress& progress);

// What a session's times depend on.
[[nodiscard]] TimingConditions timing_conditions(const Graph& network, Session& session, std::int64_t batch);

}  // namespace secateur::app
