#include "secateur/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"
#include "secateur/graph/image_size.h"
#include "secateur/runtime/step_memory.h"
#include "secateur/train/finite.h"
#include "train/recorded_steps.h"

namespace secateur {
namespace {

// Adds the seconds since it was made, or since the last part, to parts of a step.
class PartClock {
 public:
  PartClock(bool timed, Stream& stream) : stream_(timed ? &stream : nullptr) {
    if (timed) last_ = Clock::now();
  }
  void add_to(double& part) {
    if (stream_ == nullptr) return;
    stream_->synchronize();
    const Clock::time_point now = Clock::now();
    part += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Stream* stream_;
  Clock::time_point last_;
};

}  // namespace

Trainer::Trainer(Model& model, Arena& arena, Stream& stream, BatchSource& source, TrainerOptions options)
    : model_(model),
      arena_(arena),
      stream_(stream),
      source_(source),
      options_(options),
      sgd_(model, options.sgd),
      average_(model, options.average_decay, stream),
      loss_scale_(options.precision),
      parallel_(model, stream, options.communicator),
      batch_(std::min(options.batch, source.size())),
      recorded_(options.record ? RecordedSteps::make(arena, stream, source, sgd_, parallel_, options.seed)
                               : nullptr) {
  require(options.batch >= 1, "a batch has at least one sample, got {}", options.batch);
  require(source.size() >= 1, "there are no samples to train on");
  check(options.resizing, full_size());
  // Before anything is trained: a network or a source that knows one size alone throws.
  if (options.resizing.from > 0) {
    static_cast<void>(graph_for_images(model.graph(), options.resizing.from, options.resizing.from));
    source.set_image_size(options.resizing.from);
  }
  require(!options.drop_last || source.size() >= options.batch,
          "with drop_last nothing is left to train on: {} samples, batch {}", source.size(), options.batch);
  require(options.read_every >= 1, "loss and counts are read back after at least one step, got {}",
          options.read_every);
  const std::int64_t processes = options.communicator != nullptr ? options.communicator->size() : 1;
  require(options.batch >= processes, "a batch of {} cannot be shared by {} processes", options.batch,
          processes);
  require(
      options.average_decay == 0 || processes == 1 || options.sync_batch_norm,
      "averages are kept by several processes with synchronised batch norm alone: without it each process "
      "has running statistics of its own, until an epoch ends");
}

Trainer::~Trainer() = default;

std::unique_ptr<Program> Trainer::program_of(const BatchPart& part, std::int64_t image_size) {
  const bool joined = part.shared && options_.sync_batch_norm;
  return std::make_unique<Program>(
      model_, arena_, stream_,
      ProgramOptions{.batch = part.count,
                     .mode = ProgramMode::train,
                     .precision = options_.precision,
                     .with_loss = true,
                     .image_size = image_size == full_size() ? 0 : image_size,
                     .label_smoothing = options_.label_smoothing,
                     .distillation = options_.distillation,
                     .fuse_convolutions = options_.fuse_convolutions,
                     .batch_shared_by = joined ? options_.communicator : nullptr});
}

StepOptions Trainer::step_options() const {
  return {.batch = program_->batch(),
          .precision = options_.precision,
          .fuse_convolutions = options_.fuse_convolutions};
}

void Trainer::compile() {
  const std::int64_t image_size = image_size_at(options_.resizing, full_size(), epoch_);
  if (program_ != nullptr && generation_ == model_.generation() && image_size_ == image_size) return;
  if (recorded_ != nullptr) recorded_->forget();
  program_.reset();
  tail_program_.reset();
  program_ = program_of(parallel_.part_of(0, batch_), image_size);
  const std::int64_t tail = source_.size() % batch_;
  if (tail > 0 && !options_.drop_last) tail_program_ = program_of(parallel_.part_of(0, tail), image_size);
  // Refused here, and not by an allocation in the first step.
  require_step_fits(model_, arena_, stream_, step_options(), program_->planned_bytes());
  generation_ = model_.generation();
  image_size_ = image_size;
  // No kernel writes what lies between two parameters' gradients, and a look at all of them reads it.
  if (loss_scale_.active()) {
    stream_.zero(model_.gradients(), model_.layout().trained_elements * size_of(model_.dtype()));
  }
}

std::int64_t Trainer::planned_bytes() {
  compile();
  if (image_size_ == full_size()) return program_->planned_bytes();
  const std::int64_t planned = program_of(parallel_.part_of(0, batch_), full_size())->planned_bytes();
  require_step_fits(model_, arena_, stream_, step_options(), planned);
  return planned;
}

std::int64_t Trainer::peak_bytes() {
  const std::int64_t planned = planned_bytes();
  return model_.device().allocated_bytes() + std::max<std::int64_t>(planned - arena_.bytes(), 0);
}

const Program& Trainer::program() {
  compile();
  return *program_;
}

BatchPart Trainer::part_of_step(std::int64_t step) const {
  const std::int64_t first = step * batch_;
  return parallel_.part_of(first, std::min(batch_, source_.size() - first));
}

StepState Trainer::state_of(const BatchPart& part) const {
  return {.seed = options_.seed,
          .step = step_,
          .samples = part.count,
          .batch_samples = part.divisor,
          .first_sample = part.first_in_batch,
          .loss_scale = loss_scale_.value()};
}

BatchMetrics Trainer::train_step(Program& program, const BatchPart& part, double rate) {
  const StepState state = state_of(part);
  PartClock clock(timed_, stream_);
  source_.fill(part.first, part.count, stream_, program.images(), program.labels());
  clock.add_to(times_.input);
  if (options_.distillation.weight > 0) teacher_->answer(program);
  program.forward(state);
  const BatchMetrics metrics = parallel_.total(metrics_.read(program, stream_, part.count), part);
  if (!metrics.finite) fail_non_finite(program, part, rate);
  clock.add_to(times_.forward);
  program.backward(state, parallel_.listener());
  parallel_.finish_gradients();
  const bool finite = !loss_scale_.active() || gradients_finite();
  clock.add_to(times_.backward);
  if (finite) {
    sgd_.step(rate, stream_, 1 / state.loss_scale);
    average_.update(stream_);
  }
  loss_scale_.update(finite);
  clock.add_to(times_.update);
  times_.steps += timed_ ? 1 : 0;
  ++step_;
  return metrics;
}

void Trainer::fail_non_finite(const Program& program, const BatchPart& part, double rate) {
  const NonFinitePlace place = parallel_.first_place(find_non_finite(
      model_, arena_, stream_, source_, part.first, part.count, program.options(), state_of(part)));
  throw NonFiniteError(
      fmt::format("the loss is not finite at step {} (epoch {}, learning rate {}): {}; a smaller rate or a "
                  "warm-up usually helps",
                  step_, epoch_, rate, place.description),
      place.layer);
}

bool Trainer::gradients_finite() {
  return primitives_of(model_.device().kind())
      .all_finite(stream_, model_.dtype(), model_.gradients(), model_.layout().trained_elements);
}

EpochReport Trainer::run_epoch(const LrPhase& phase, std::int64_t phase_epoch, TrainObserver& observer) {
  sgd_.reset();
  return run_steps(phase, phase_epoch, observer, nullptr);
}

EpochReport Trainer::run_epoch(const LrPhase& phase, std::int64_t phase_epoch, TrainObserver& observer,
                               TrainHook& hook, const HookPlace& place) {
  if (place_.steps > 0) {
    hook.resume_epoch(model_, place, stream_);
  } else {
    hook.begin_epoch(model_, place, stream_);
  }
  if (!hook.edits_every_step()) take_terms(hook);
  const EpochReport report = run_steps(phase, phase_epoch, observer, &hook);
  hook.end_epoch(model_, place, stream_);
  return report;
}

void Trainer::take_terms(TrainHook& hook) {
  UpdateTerms terms = sgd_.plain_terms();
  hook.edit(terms, model_);
  sgd_.use(std::move(terms));
}

EpochReport Trainer::run_steps(const LrPhase& phase, std::int64_t phase_epoch, TrainObserver& observer,
                               TrainHook* hook) {
  require(options_.distillation.weight == 0 || teacher_ != nullptr, "a distillation needs a teacher");
  require(options_.distillation.weight == 0 || &teacher_->stream() == &stream_,
          "a teacher answers on its pupil's stream, not on another");
  compile();
  const auto start = std::chrono::steady_clock::now();
  const EpochPlace before = std::exchange(place_, {});  // what an interrupted epoch goes on from
  const auto seconds = [&] {
    return before.seconds + std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  if (options_.resizing.from > 0) source_.set_image_size(image_size_);
  parallel_.begin_epoch();
  source_.begin_epoch(epoch_);
  const std::int64_t steps = source_.size() / batch_ + (tail_program_ != nullptr ? 1 : 0);

  std::vector<double> rates;
  for (std::int64_t step = 0; step < steps; ++step) {
    rates.push_back(phase.rate(static_cast<double>(phase_epoch) +
                               static_cast<double>(step) / static_cast<double>(steps)));
  }
  // The rest of an interrupted epoch runs under the host's eyes.
  const bool edits = hook != nullptr && hook->edits_every_step();
  // A tail with fewer samples than processes is not shared, and the host sees to it.
  const bool shared = options_.communicator == nullptr || part_of_step(steps - 1).shared;
  const bool recording = records() && before.steps == 0 && !edits && shared;
  if (recording) begin_recorded(rates);

  EpochReport report;
  report.epoch = epoch_;
  const std::int64_t skipped_before = loss_scale_.skipped() - before.skipped_steps;
  EpochSums sums = before.sums;
  if (before.steps > 0) report.learning_rate = rates.at(static_cast<std::size_t>(before.steps - 1));
  for (std::int64_t step = before.steps; step < steps; ++step) {
    const std::int64_t count = std::min(batch_, source_.size() - step * batch_);
    report.learning_rate = rates[static_cast<std::size_t>(step)];
    Program& program = count == batch_ ? *program_ : *tail_program_;
    if (edits) {
      hook->begin_step(model_, stream_);
      take_terms(*hook);
    }
    bool known = true;  // whether the host has looked at this step
    if (recording) {
      known = take_recorded_step(program, step, rates, sums);
    } else {
      sums.add(train_step(program, part_of_step(step), report.learning_rate), count);
    }
    if (hook != nullptr) hook->after_step(model_, stream_);
    if (known) {
      observer.on_step({.epoch = epoch_,
                        .step = step,
                        .steps = steps,
                        .samples = sums.samples,
                        .loss = sums.mean_loss(),
                        .learning_rate = report.learning_rate,
                        .seconds = seconds()});
    }
    // Processes ask each other where their hosts meet anyway.
    const bool meets = known || options_.communicator == nullptr;
    if (meets && parallel_.any(observer.stop_requested())) {
      if (!known) read_back(rates, sums);
      place_ = {.steps = step + 1,
                .sums = sums,
                .skipped_steps = loss_scale_.skipped() - skipped_before,
                .seconds = seconds()};
      throw Interrupted("training was interrupted");
    }
  }
  stream_.synchronize();
  parallel_.end_epoch();
  // What the last step made of the weights is seen by no loss of this epoch.
  if (const NonFinitePlace place = find_in_parameters(model_, stream_); !place.description.empty()) {
    throw NonFiniteError(fmt::format("after epoch {} (learning rate {}) {}; a smaller rate or a warm-up "
                                     "usually helps",
                                     epoch_, report.learning_rate, place.description),
                         place.layer);
  }
  report.samples = sums.samples;
  report.loss = sums.mean_loss();
  report.top1 = static_cast<double>(sums.top1) / static_cast<double>(sums.samples);
  report.seconds = seconds();
  report.skipped_steps = loss_scale_.skipped() - skipped_before;
  ++epoch_;
  observer.on_epoch(report);
  return report;
}

void Trainer::save(StateWriter writer) const {
  writer.set("epoch", epoch_);
  writer.set("step", step_);
  if (place_.steps > 0) {
    StateWriter within = writer.scope("within_epoch");
    within.set("steps", place_.steps);
    within.set("batch", batch_);
    within.set("samples", place_.sums.samples);
    within.set("loss", place_.sums.loss);
    within.set("top1", place_.sums.top1);
    within.set("skipped_steps", place_.skipped_steps);
    within.set("seconds", place_.seconds);
  }
  if (loss_scale_.active()) loss_scale_.save(writer.scope("loss_scale"));
  if (model_.averaged()) average_.save(writer.scope("average"));
}

void Trainer::count_on_from(const StateReader& reader) {
  epoch_ = reader.get<std::int64_t>("epoch");
  step_ = reader.get<std::int64_t>("step");
  // A run that was begun in another precision has none stored.
  if (loss_scale_.active() && reader.contains("loss_scale")) {
    loss_scale_.restore(reader.scope("loss_scale"));
  }
  if (average_.active() && reader.contains("average")) average_.restore(reader.scope("average"));
  place_ = {};
  if (reader.contains("within_epoch")) ++epoch_;
}

void Trainer::restore(const StateReader& reader) {
  count_on_from(reader);
  epoch_ = reader.get<std::int64_t>("epoch");
  if (!reader.contains("within_epoch")) return;
  const StateReader within = reader.scope("within_epoch");
  const auto batch = within.get<std::int64_t>("batch");
  require(
      batch == batch_,
      "the run was interrupted in the middle of an epoch of batches of {}, and can go on with these only; "
      "got batches of {}",
      batch, batch_);
  place_ = {.steps = within.get<std::int64_t>("steps"),
            .sums = {.samples = within.get<std::int64_t>("samples"),
                     .loss = within.get<double>("loss"),
                     .top1 = within.get<std::int64_t>("top1")},
            .skipped_steps = within.get<std::int64_t>("skipped_steps"),
            .seconds = within.get<double>("seconds")};
  require(place_.steps > 0 && place_.steps <= source_.size() && (place_.steps - 1) * batch < source_.size(),
          "the stored place in the epoch, step {} of batches of {}, is none among {} images", place_.steps,
          batch, source_.size());
}

}  // namespace secateur
