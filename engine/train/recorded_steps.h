// RecordedSteps: training steps that run without the host. What a step does is recorded once for each of the
// trainer's programs (Stream::record) and replayed; its scalars lie on the device (DeviceStep). The host
// waits when it reads back what the steps have come to, and not before.
//
// The first step of a program runs unrecorded: it takes memory, chooses algorithms and loads kernels, all of
// which a recording must not do. A recording is made anew when the arena's memory or the terms of the weight
// update have changed since. Batches that are made on the host are queued in front of the replay. A teacher's
// answer is part of the step, and its memory counts like the arena's.
//
// Of several processes each records its part of the step, the exchange with the others included: their
// devices wait for each other, their hosts do not.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "secateur/backend/device_step.h"
#include "secateur/core/device.h"
#include "secateur/runtime/program.h"
#include "secateur/train/batch_source.h"
#include "secateur/train/data_parallel.h"
#include "secateur/train/sgd.h"
#include "secateur/train/teacher.h"

namespace secateur {

class RecordedSteps {
 public:
  // Null where the stream, or what processes exchange on it, cannot be recorded. What is referred to must
  // outlive the steps.
  [[nodiscard]] static std::unique_ptr<RecordedSteps> make(const Arena& arena, Stream& stream,
                                                           BatchSource& source, Sgd& sgd,
                                                           DataParallel& parallel, std::uint64_t seed);

  // Begins a series: the steps of one epoch.
  void begin(const DeviceStepStart& start) { state_->begin(start); }
  // Queues one step of `program` on its part of a batch, which all processes share. Batches of a series
  // follow each other without a gap. `teacher` answers where the program's loss has one, else null.
  void take(Program& program, const BatchPart& part, Teacher* teacher);
  // Waits for the steps taken.
  [[nodiscard]] DeviceStepReading read() { return state_->read(); }
  // Programs are about to go.
  void forget() { steps_.clear(); }

  // Kernels that a replayed step of `program` runs; 0: it was not recorded yet.
  [[nodiscard]] std::int64_t kernels(const Program& program) const;

 private:
  // A program's step.
  struct Step {
    bool ran = false;
    std::unique_ptr<Recording> recording;
    std::int64_t arena_generation = -1;
    std::int64_t update_revision = -1;
    const Teacher* teacher = nullptr;
    std::int64_t teacher_generation = -1;
  };

  RecordedSteps(const Arena& arena, Stream& stream, BatchSource& source, Sgd& sgd, DataParallel& parallel,
                std::uint64_t seed, std::unique_ptr<DeviceStep> state);
  void queue(Program& program, const BatchPart& part, Teacher* teacher, const UpdateSlabs& slabs);

  const Arena& arena_;
  Stream& stream_;
  BatchSource& source_;
  Sgd& sgd_;
  DataParallel& parallel_;
  std::uint64_t seed_;
  std::unique_ptr<DeviceStep> state_;
  std::map<const Program*, Step> steps_;
};

}  // namespace secateur
