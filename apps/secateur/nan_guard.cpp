#include "secateur/nan_guard.h"

#include <fmt/format.h>

namespace secateur::app {

void NanGuard::take(const NonFiniteError& error) {
  log_.write("not_finite", {{"layer", error.layer()},
                            {"reason", std::string(error.what())},
                            {"rollback", rolls_back() && rollbacks_ < kMostRollbacks}});
  if (!rolls_back()) {
    fail("{} (--on-nan rollback goes back to the last checkpoint with half the learning rate)", error.what());
  }
  require(rollbacks_ < kMostRollbacks,
          "{} (the run went back {} times with half the learning rate each time)", error.what(), rollbacks_);
  ++rollbacks_;
  factor_ /= 2;
  progress_.say(fmt::format("{}\nback to the last checkpoint, with {:.4g} of the learning rate", error.what(),
                            factor_));
}

// A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
void NanGuard::save(StateWriter writer) const {
  if (rollbacks_ == 0) return;
  StateWriter own = writer.scope("nan_guard");
  own.set("learning_rate_factor", factor_);
  own.set("rollbacks", rollbacks_);
}

void NanGuard::restore(const StateReader& reader) {
  if (!reader.contains("nan_guard")) return;
  const StateReader own = reader.scope("nan_guard");
  factor_ = own.get<double>("learning_rate_factor");
  rollbacks_ = own.get<std::int64_t>("rollbacks");
}

}  // namespace secateur::app
