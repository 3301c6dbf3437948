// Dynamic loss scaling (Micikevicius et al. 2018), for gradients in 16 bits with a short exponent: the loss
// is multiplied by a factor so that small gradients do not vanish, and the weight update takes it back out.
//
// After a step whose gradients are not finite the factor is halved and the step is not taken; after
// `interval` finite steps in a row it is doubled. Without scaling the factor is 1 for good.
#pragma once

#include <cstdint>

#include "secateur/backend/device_step.h"
#include "secateur/backend/kernel.h"
#include "secateur/io/state_tree.h"

namespace secateur {

class LossScale {
 public:
  // Scales in fp16 alone: the exponents of the other precisions reach as far as float32's.
  explicit LossScale(Precision precision, LossScaleOptions options = {});

  [[nodiscard]] bool active() const { return active_; }
  [[nodiscard]] double value() const { return state_.value; }
  [[nodiscard]] const LossScaleOptions& options() const { return options_; }
  [[nodiscard]] const LossScaleState& state() const { return state_; }
  // Tells whether the gradients of a step were finite. Throws Error where they were not although the factor
  // can be made no smaller.
  void update(bool finite);
  // Takes over where steps on the device have brought it; `exhausted`: the last one asked for a smaller
  // factor than there is, which throws Error as update() does.
  void follow(const LossScaleState& state, bool exhausted);
  // Steps that were not taken, over the whole run.
  [[nodiscard]] std::int64_t skipped() const { return state_.skipped; }

  void save(StateWriter writer) const;
  void restore(const StateReader& reader);

 private:
  void require_larger_than_smallest(bool larger) const;

  LossScaleOptions options_;
  bool active_;
  LossScaleState state_;
};

}  // namespace secateur
