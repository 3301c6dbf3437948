// The Trainer's steps where they are recorded: what the host does between them.
#include <algorithm>

#include "secateur/train/trainer.h"
#include "train/recorded_steps.h"

namespace secateur {

void Trainer::begin_recorded(std::span<const double> rates) {
  recorded_from_ = step_;
  recorded_->begin({.step = step_,
                    .learning_rates = rates,
                    .momentum = options_.sgd.momentum,
                    .nesterov = options_.sgd.nesterov,
                    .scales_loss = loss_scale_.active(),
                    .scaling = loss_scale_.options(),
                    .loss_scale = loss_scale_.state(),
                    .average_decay = average_.decay(),
                    .average_updates = average_.active() ? average_.updates() : 0});
}

bool Trainer::take_recorded_step(Program& program, std::int64_t step, std::span<const double> rates,
                                 EpochSums& sums) {
  recorded_->take(program, part_of_step(step), options_.distillation.weight > 0 ? teacher_ : nullptr);
  const bool last = step + 1 == std::ssize(rates);
  if (step % options_.read_every != 0 && !last) return false;
  read_back(rates, sums);
  return true;
}

// Where a loss was not finite, `steps` is the step that has it: no later one was taken.
void Trainer::read_back(std::span<const double> rates, EpochSums& sums) {
  const DeviceStepReading reading = recorded_->read();
  sums = {.samples = reading.samples, .loss = reading.loss_sum, .top1 = reading.top1};
  parallel_.add_up(sums.loss, sums.top1);
  step_ = recorded_from_ + reading.steps;
  if (average_.active()) average_.follow(reading.average_updates);
  loss_scale_.follow(reading.loss_scale, reading.loss_scale_exhausted);
  if (!reading.loss_not_finite) return;
  const bool whole = (reading.steps + 1) * batch_ <= source_.size();
  fail_non_finite(whole ? *program_ : *tail_program_, part_of_step(reading.steps),
                  rates[static_cast<std::size_t>(reading.steps)]);
}

std::int64_t Trainer::recorded_kernels() const {
  return recorded_ != nullptr && program_ != nullptr ? recorded_->kernels(*program_) : 0;
}

}  // namespace secateur
