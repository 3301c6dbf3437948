#include "secateur/train/loss_scale.h"

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {

LossScale::LossScale(Precision precision, LossScaleOptions options)
    : options_(options), active_(precision == Precision::fp16), value_(active_ ? options.start : 1) {
  require(options.smallest > 0 && options.smallest <= options.start && options.start <= options.largest,
          "a loss scale starts between its smallest and largest value, got {} in [{}, {}]", options.start,
          options.smallest, options.largest);
  require(options.interval >= 1, "a loss scale is raised after at least one step, got {}", options.interval);
}

void LossScale::update(bool finite) {
  if (!active_) return;
  if (!finite) {
    require(
        value_ > options_.smallest,
        "gradients are not finite even at the smallest loss scale, {}: a smaller learning rate or a warm-up "
        "usually helps",
        options_.smallest);
    value_ = std::max(value_ / 2, options_.smallest);
    finite_steps_ = 0;
    ++skipped_;
    return;
  }
  if (++finite_steps_ < options_.interval) return;
  value_ = std::min(value_ * 2, options_.largest);
  finite_steps_ = 0;
}

// A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
void LossScale::save(StateWriter writer) const {
  writer.set("value", value_);
  writer.set("finite_steps", finite_steps_);
  writer.set("skipped", skipped_);
}

void LossScale::restore(const StateReader& reader) {
  value_ = reader.get<double>("value");
  finite_steps_ = reader.get<std::int64_t>("finite_steps");
  skipped_ = reader.get<std::int64_t>("skipped");
}

}  // namespace secateur
