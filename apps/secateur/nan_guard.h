// What a run does when its loss or weights stop being finite (--on-nan): stop with the layer named, or go
// back to the last checkpoint with half the learning rate.
#pragma once

#include <cstdint>
#include <string>

#include "secateur/io/run_log.h"
#include "secateur/io/state_tree.h"
#include "secateur/progress.h"
#include "secateur/train/finite.h"

namespace secateur::app {

class NanGuard {
 public:
  // Halvings after which a run is stopped all the same: a thousandth of the learning rate.
  static constexpr std::int64_t kMostRollbacks = 10;

  // `choice` is "stop" or "rollback".
  NanGuard(std::string choice, EventSink& log, Progress& progress)
      : choice_(std::move(choice)), log_(log), progress_(progress) {}

  [[nodiscard]] bool rolls_back() const { return choice_ == "rollback"; }
  [[nodiscard]] double learning_rate_factor() const { return factor_; }

  // Logs the event. Returns where the caller is to restore its last checkpoint, with the factor halved;
  // otherwise throws Error.
  void take(const NonFiniteError& error);

  // Nothing is stored of a run that never went back.
  void save(StateWriter writer) const;
  void restore(const StateReader& reader);

 private:
  std::string choice_;
  EventSink& log_;
  Progress& progress_;
  double factor_ = 1;
  std::int64_t rollbacks_ = 0;
};

}  // namespace secateur::app
