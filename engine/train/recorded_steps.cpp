#include "train/recorded_steps.h"

#include <utility>

#include "secateur/backend/primitives.h"

namespace secateur {

std::unique_ptr<RecordedSteps> RecordedSteps::make(const Arena& arena, Stream& stream, BatchSource& source,
                                                   Sgd& sgd, DataParallel& parallel, std::uint64_t seed) {
  if (!parallel.can_be_recorded()) return nullptr;
  std::unique_ptr<DeviceStep> state = primitives_of(stream.device().kind()).make_device_step(stream);
  if (state == nullptr) return nullptr;
  return std::unique_ptr<RecordedSteps>(
      new RecordedSteps(arena, stream, source, sgd, parallel, seed, std::move(state)));
}

RecordedSteps::RecordedSteps(const Arena& arena, Stream& stream, BatchSource& source, Sgd& sgd,
                             DataParallel& parallel, std::uint64_t seed, std::unique_ptr<DeviceStep> state)
    : arena_(arena),
      stream_(stream),
      source_(source),
      sgd_(sgd),
      parallel_(parallel),
      seed_(seed),
      state_(std::move(state)) {}

void RecordedSteps::take(Program& program, const BatchPart& part, Teacher* teacher) {
  const Tensor images = program.images();  // from here on the arena holds the program's plan
  const UpdateSlabs slabs = sgd_.slabs();  // and the revision is that of the terms in use
  if (!source_.on_device()) source_.fill(part.first, part.count, stream_, images, program.labels());
  Step& step = steps_[&program];
  if (step.teacher != teacher) step = Step();
  step.teacher = teacher;
  if (!std::exchange(step.ran, true)) return queue(program, part, teacher, slabs);
  const std::int64_t teacher_generation = teacher != nullptr ? teacher->arena_generation() : -1;
  if (step.recording == nullptr || step.arena_generation != arena_.generation() ||
      step.update_revision != sgd_.revision() || step.teacher_generation != teacher_generation) {
    step.recording.reset();
    step.recording = stream_.record([&] { queue(program, part, teacher, slabs); });
    step.arena_generation = arena_.generation();
    step.update_revision = sgd_.revision();
    step.teacher_generation = teacher_generation;
  }
  parallel_.replay(*step.recording);
}

void RecordedSteps::queue(Program& program, const BatchPart& part, Teacher* teacher,
                          const UpdateSlabs& slabs) {
  if (source_.on_device()) {
    source_.fill_at(state_->place(), part.first_in_batch, part.count, stream_, program.images(),
                    program.labels());
  }
  if (teacher != nullptr) teacher->answer(program);
  const StepState state{.seed = seed_,
                        .samples = part.count,
                        .batch_samples = part.divisor,
                        .first_sample = part.first_in_batch,
                        .on_device = state_->state()};
  program.forward(state);
  parallel_.join_losses(*state_);
  program.backward(state, parallel_.listener());
  parallel_.finish_gradients();
  state_->update(slabs, part.divisor);  // that of a shared batch is its size
}

std::int64_t RecordedSteps::kernels(const Program& program) const {
  const auto found = steps_.find(&program);
  return found == steps_.end() || found->second.recording == nullptr ? 0 : found->second.recording->kernels();
}

}  // namespace secateur
