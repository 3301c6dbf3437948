#include "secateur/train/loss_scale.h"

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {

LossScale::LossScale(Precision precision, LossScaleOptions options)
    : options_(options), active_(precision == Precision::fp16) {
  if (active_) state_.value = options.start;
  require(options.smallest > 0 && options.smallest <= options.start && options.start <= options.largest,
          "a loss scale starts between its smallest and largest value, got {} in [{}, {}]", options.start,
          options.smallest, options.largest);
  require(options.interval >= 1, "a loss scale is raised after at least one step, got {}", options.interval);
}

void LossScale::require_larger_than_smallest(bool larger) const {
  require(
      larger,
      "gradients are not finite even at the smallest loss scale, {}: a smaller learning rate or a warm-up "
      "usually helps",
      options_.smallest);
}

// The kernel settle_step does the same on a GPU.
void LossScale::update(bool finite) {
  if (!active_) return;
  if (!finite) {
    require_larger_than_smallest(state_.value > options_.smallest);
    state_.value = std::max(state_.value / 2, options_.smallest);
    state_.finite_steps = 0;
    ++state_.skipped;
    return;
  }
  if (++state_.finite_steps < options_.interval) return;
  state_.value = std::min(state_.value * 2, options_.largest);
  state_.finite_steps = 0;
}

void LossScale::follow(const LossScaleState& state, bool exhausted) {
  if (!active_) return;
  state_ = state;
  require_larger_than_smallest(!exhausted);
}

// A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
void LossScale::save(StateWriter writer) const {
  writer.set("value", state_.value);
  writer.set("finite_steps", state_.finite_steps);
  writer.set("skipped", state_.skipped);
}

void LossScale::restore(const StateReader& reader) {
  state_.value = reader.get<double>("value");
  state_.finite_steps = reader.get<std::int64_t>("finite_steps");
  state_.skipped = reader.get<std::int64_t>("skipped");
}

}  // namespace secateur
