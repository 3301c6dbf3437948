// Controller: the weights alpha and beta of Eq. 13 over the rounds - the schedule of Eq. 15, moved by the
// feedback of Eq. 17 from the change of accuracy.
//
//   schedule   alpha(t) = start + (end - start) t / T, t = 1 .. T; beta likewise
//   feedback   A <- A (1 + gamma d), B <- B (1 - gamma d), d the relative change of accuracy (or that in
//   percent);
//              alpha = alpha(t) A, beta = beta(t) B. With base `recursion` alpha and beta themselves are
//              updated, from the start values, without the schedule.
// Both weights stay within [0.01, 2].
#pragma once

#include <cstdint>

#include "secateur/io/state_tree.h"
#include "secateur/prune/prune_options.h"

namespace secateur {

struct Weights {
  double alpha = 0;
  double beta = 0;
};

class Controller {
 public:
  static constexpr double kLowestWeight = 0.01;
  static constexpr double kHighestWeight = 2.0;

  // `tau`: the loss of accuracy that FeedbackWhen::below_tau compares with.
  Controller(ControllerOptions options, std::int64_t rounds, double tau);

  // Of round 1 .. rounds.
  [[nodiscard]] Weights weights(std::int64_t round) const;
  // Accuracies (fractions) before and after round `round`.
  void feedback(std::int64_t round, double before, double after);
  // After each fallback.
  void halve_gamma() { gamma_ *= 0.5; }
  [[nodiscard]] double gamma() const { return gamma_; }

  void save(StateWriter writer) const;
  void restore(const StateReader& reader);

 private:
  [[nodiscard]] Weights base(std::int64_t round) const;

  ControllerOptions options_;
  std::int64_t rounds_;
  double tau_;
  double gamma_;
  // Factors on the base: Eq. 17's product over the rounds so far.
  double alpha_factor_ = 1;
  double beta_factor_ = 1;
};

}  // namespace secateur
