// What happened in a run, read back from its log. An epoch or a round that was repeated after a kill is there
// once, as it was done last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace secateur::app {

struct EpochRecord {
  std::int64_t epoch = 0;
  std::string phase;
  double loss = 0;
  double top1 = 0;
  double learning_rate = 0;
  double images_per_second = 0;
  double validation_top1 = 0;  // NaN where there was none
};

struct RoundRecord {
  std::int64_t round = 0;
  double first_epoch = 0;  // epochs that had gone when the round removed channels; NaN where it removed none
  std::string outcome;
  double alpha = 0;
  double beta = 0;
  double accuracy_before = 0;  // validation, of the network that the round began with
  double accuracy = 0;         // of the one that went on
  double removed = 0;          // after the removal, before fine-tuning; NaN where nobody looked (prune.watch)
  double best = 0;             // of all that was measured since the removal
  std::int64_t parameters = 0;
  std::int64_t macs = 0;
};

// One side of a before/after comparison.
struct Measured {
  double top1 = 0;
  double top5 = 0;
  std::int64_t parameters = 0;
  std::int64_t macs = 0;
  std::int64_t file_bytes = 0;
  double latency_ms = 0;         // of one image
  double images_per_second = 0;  // at batch 256
  std::int64_t peak_bytes = 0;   // of the device's memory, in the run so far; 0 in logs that do not say
};

// How a budget came out, in the unit of its measure.
struct BudgetRecord {
  std::string measure;
  std::int64_t batch = 0;  // 0 for what is counted off the graph
  double budget = 0;
  double unpruned = 0;
  double cost = 0;               // counted, planned or foretold
  double measured = 0;           // NaN where nothing was measured
  double spread = 0;             // of the measurement, between quartiles, as a part
  double measured_unpruned = 0;  // in turns with it; NaN in logs that do not say
  bool met = false;
};

struct RunHistory {
  std::map<std::string, std::string> facts;  // model, data, device, ... of the start event
  std::string recipe;
  std::map<std::int64_t, EpochRecord> epochs;
  std::map<std::int64_t, double> removals;  // round -> epochs that had gone
  std::map<std::int64_t, RoundRecord> rounds;
  double seconds = 0;  // that its processes took
  std::vector<std::string> layer_names;
  std::vector<double> widths_before;
  std::vector<double> widths_after;
  std::map<std::string, Measured> measured;  // "before", "after", or "result" of a training run
  std::optional<BudgetRecord> budget;
};

// Throws Error that names file and line for a line that is no event.
[[nodiscard]] RunHistory read_run_history(const std::filesystem::path& log);

}  // namespace secateur::app
