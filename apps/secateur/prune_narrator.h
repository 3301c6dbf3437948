// Tells a person what the pruning loop does: one line an event, from the same events that go into the run
// log.
#pragma once

#include "secateur/io/run_log.h"
#include "secateur/progress.h"
#include "secateur/prune/prune_options.h"

namespace secateur::app {

class PruneNarrator final : public EventSink {
 public:
  PruneNarrator(Progress& progress, const PruneOptions& options) : progress_(progress), options_(options) {}
  void write(std::string_view event, const LogFields& fields) override;

 private:
  void advise(const std::string& advice);
  void advise_on_budget(std::int64_t rounds_left);

  double budget_ = 0;  // 0 in a resumed run, whose start is not told again
  double cost_ = 0;
  Progress& progress_;
  const PruneOptions& options_;
};

}  // namespace secateur::app
