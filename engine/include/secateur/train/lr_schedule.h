// Learning-rate schedules: a factor on the base rate as a function of progress through a phase of training.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace secateur {

// The factor at `progress` in [0, 1]:
//   constant   1
//   paper      1, 0.01 from 50%, 0.001 from 75% (section 4.1 of the paper: 0.1, 0.001, 0.0001)
//   step       1, 0.1 from 50%, 0.01 from 75%
//   cosine     (1 + cos(pi * progress)) / 2
//   onecycle   cosine from 0.04 up to 1 over the first 30%, then cosine down to 0
using LrFactor = double (*)(double progress);

// Throws Error that lists the schedules.
[[nodiscard]] LrFactor find_lr_schedule(std::string_view name);
[[nodiscard]] std::vector<std::string> lr_schedule_names();

// One phase of training: what the rate is at each point of it.
struct LrPhase {
  LrFactor factor = nullptr;
  double base_rate = 0.1;
  double epochs = 1;         // length of the phase
  double warmup_epochs = 0;  // linear from 0 to the schedule's value
  // The rate after `epoch` epochs of the phase (fractions count).
  [[nodiscard]] double rate(double epoch) const;
};

}  // namespace secateur
