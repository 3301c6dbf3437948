// What a pruning run's budget counts on the session's device, and what is measured of it at the end.
#pragma once

#include <filesystem>
#include <optional>

#include "secateur/io/run_log.h"
#include "secateur/latency_table.h"
#include "secateur/progress.h"
#include "secateur/prune/cost_measure.h"
#include "secateur/prune/pruning_loop.h"
#include "secateur/session.h"

namespace secateur::app {

// Bytes of an inference: parameters and running statistics, without gradients and momentum, and the peak of
// maps and workspaces in the memory plan of the frozen program at this batch. Filters that a device lays out
// once more for itself are not in it.
[[nodiscard]] std::int64_t inference_bytes(const Graph& graph, Session& session, std::int64_t batch);

class BudgetMeter {
 public:
  // Measures layers where the budget is one of latency; does nothing where it is counted off the graph.
  // `run_file`: the run's copy of the table.
  BudgetMeter(const PruneOptions& options, const Graph& base, Session& session,
              const std::filesystem::path& run_file, Progress& progress);

  // Of a graph; none where the engine counts by itself. This object must outlive it.
  [[nodiscard]] CostOfGraph cost();

  // Tells what was foretold beside what the pruned network takes, and writes the event "budget". Without a
  // budget it does nothing.
  void conclude(const LoopResult& result, Model& model, EventSink& log);

 private:
  // Times of the pruned network and of the unpruned one, taken in turns.
  struct Measured {
    LayerTime pruned;
    LayerTime unpruned;
  };
  [[nodiscard]] Measured time_in_turns(Model& pruned);
  [[nodiscard]] std::string text_of(const LoopResult& result, const std::optional<Measured>& measured) const;

  const PruneOptions& options_;
  Session& session_;
  Progress& progress_;
  std::optional<LatencyTable> table_;
  std::optional<Graph> unpruned_;  // where times are measured
};

}  // namespace secateur::app
