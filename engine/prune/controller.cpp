#include "secateur/prune/controller.h"

#include <algorithm>

#include "secateur/core/error.h"

namespace secateur {
namespace {

double bounded(double weight) {
  return std::clamp(weight, Controller::kLowestWeight, Controller::kHighestWeight);
}

// The factor after an update, such that the weight it makes of `base` stays within the bounds: a product that
// has run out of them would take as many rounds to come back.
double updated_factor(double factor, double change, double base) {
  const double next = factor * (1.0 + change);
  return base > 0 ? bounded(base * next) / base : std::max(next, Controller::kLowestWeight);
}

}  // namespace

Controller::Controller(ControllerOptions options, std::int64_t rounds, double tau)
    : options_(options), rounds_(rounds), tau_(tau), gamma_(options.gamma) {
  require(rounds >= 1, "there is at least one round, got {}", rounds);
}

Weights Controller::base(std::int64_t round) const {
  const ControllerOptions& o = options_;
  if (o.weights == WeightsMode::constant) return {o.static_alpha, o.static_beta};
  if (o.feedback_base == FeedbackBase::recursion) return {o.alpha_start, o.beta_start};
  const double progress = static_cast<double>(round) / static_cast<double>(rounds_);
  return {o.alpha_start + (o.alpha_end - o.alpha_start) * progress,
          o.beta_start + (o.beta_end - o.beta_start) * progress};
}

Weights Controller::weights(std::int64_t round) const {
  const Weights b = base(round);
  if (options_.weights == WeightsMode::constant) return b;
  return {bounded(b.alpha * alpha_factor_), bounded(b.beta * beta_factor_)};
}

void Controller::feedback(std::int64_t round, double before, double after) {
  if (options_.weights == WeightsMode::constant || !(before > 0)) return;
  const double delta = after - before;
  if (options_.feedback_when == FeedbackWhen::drop && !(delta < 0)) return;
  if (options_.feedback_when == FeedbackWhen::below_tau && !(delta < -tau_)) return;
  const double unit = options_.feedback_unit == FeedbackUnit::percent ? 100.0 : 1.0;
  const double change = gamma_ * unit * delta / before;
  const Weights b = base(round);
  alpha_factor_ = updated_factor(alpha_factor_, change, b.alpha);
  beta_factor_ = updated_factor(beta_factor_, -change, b.beta);
}

void Controller::save(StateWriter writer) const {
  writer.set("gamma", gamma_);
  writer.set("alpha_factor", alpha_factor_);
  writer.set("beta_factor", beta_factor_);
}

void Controller::restore(const StateReader& reader) {
  gamma_ = reader.get<double>("gamma");
  alpha_factor_ = reader.get<double>("alpha_factor");
  beta_factor_ = reader.get<double>("beta_factor");
}

}  // namespace secateur
