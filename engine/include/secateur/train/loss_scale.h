// Dynamic loss scaling (Micikevicius et al. 2018), for gradients in 16 bits with a short exponent: the loss
// is multiplied by a factor so that small gradients do not vanish, and the weight update takes it back out.
//
// After a step whose gradients are not finite the factor is halved and the step is not taken; after
// `interval` finite steps in a row it is doubled. Without scaling the factor is 1 for good.
#pragma once

#include <cstdint>

#include "secateur/backend/kernel.h"
#include "secateur/io/state_tree.h"

namespace secateur {

struct LossScaleOptions {
  double start = 65536;
  double smallest = 1;
  double largest = 16777216;
  std::int64_t interval = 2000;
};

class LossScale {
 public:
  // Scales in fp16 alone: the exponents of the other precisions reach as far as float32's.
  explicit LossScale(Precision precision, LossScaleOptions options = {});

  [[nodiscard]] bool active() const { return active_; }
  [[nodiscard]] double value() const { return value_; }
  // Tells whether the gradients of a step were finite. Throws Error where they were not although the factor
  // can be made no smaller.
  void update(bool finite);
  // Steps that were not taken, over the whole run.
  [[nodiscard]] std::int64_t skipped() const { return skipped_; }

  void save(StateWriter writer) const;
  void restore(const StateReader& reader);

 private:
  LossScaleOptions options_;
  bool active_;
  double value_;
  std::int64_t finite_steps_ = 0;  // since the factor last changed
  std::int64_t skipped_ = 0;
};

}  // namespace secateur
