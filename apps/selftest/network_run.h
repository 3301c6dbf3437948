// One step of training on made-up data, and everything that it computes.
#pragma once

#include <cstdint>
#include <vector>

#include "secateur/runtime/program.h"
#include "selftest/whole_model.h"

namespace secateur::selftest {

struct StepResult {
  std::vector<double> logits;
  std::vector<double> losses;
  std::vector<std::vector<double>> gradients;   // one a trained parameter
  std::vector<std::vector<double>> statistics;  // one a running statistic, after the step
};

// Forward and backward over one batch of noise; batch, mode and precision of `options` are set here. The
// gradients are those of the loss, `loss_scale` taken out again.
[[nodiscard]] StepResult run_training_step(WholeModel& whole, ProgramOptions options, std::int64_t batch,
                                           double loss_scale = 1);

// Moves batch norm's parameters and statistics away from their start values and fills the momentum, so that
// every element counts and can be told from the others.
void disturb(WholeModel& whole);

}  // namespace secateur::selftest
