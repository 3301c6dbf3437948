// Trainer: runs epochs of SGD over a BatchSource. It keeps the counters that key everything random (epoch,
// step), so that a resumed run continues bit for bit.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "secateur/io/state_tree.h"
#include "secateur/runtime/program.h"
#include "secateur/train/batch_source.h"
#include "secateur/train/data_parallel.h"
#include "secateur/train/evaluator.h"
#include "secateur/train/loss_scale.h"
#include "secateur/train/lr_schedule.h"
#include "secateur/train/resizing.h"
#include "secateur/train/sgd.h"
#include "secateur/train/teacher.h"
#include "secateur/train/train_hook.h"
#include "secateur/train/weight_average.h"

namespace secateur {

struct TrainerOptions {
  std::int64_t batch = 128;  // of all processes together
  Precision precision = Precision::fp32;
  SgdOptions sgd;
  double label_smoothing = 0;
  DistillationOptions distillation = {};  // with a weight, teach() must be called before training
  ResizingOptions resizing = {};
  double average_decay = 0;       // of the averaged weights (weight_average.h); 0: none are kept
  bool fuse_convolutions = true;  // batch norm in the convolutions around it, where the device can (Program)
  bool drop_last = false;         // true: the last, smaller batch of an epoch is not trained on
  std::uint64_t seed = 1;
  // Where the device can: a step is recorded once and replayed, and the host looks at loss and counts after
  // the first and then every `read_every` steps, and after the last of an epoch. False: after every step.
  bool record = true;
  std::int64_t read_every = 50;
  // The processes that share every batch; null: this one alone. Steps of several are recorded where the sums
  // between them can be (NCCL), and every epoch's last batch has a sample for each.
  Communicator* communicator = nullptr;
  bool sync_batch_norm = false;  // statistics of the whole batch, not of the own part
};

// Seconds of the steps since they were last asked for. Reading the loss counts as forward.
struct StepTimes {
  double input = 0;
  double forward = 0;
  double backward = 0;
  double update = 0;
  std::int64_t steps = 0;
  [[nodiscard]] double total() const { return input + forward + backward + update; }
};

struct StepReport {
  std::int64_t epoch = 0;  // counted over the whole run, from 0
  std::int64_t step = 0;   // within the epoch
  std::int64_t steps = 0;  // in the epoch
  std::int64_t samples = 0;
  double loss = 0;  // mean over the epoch so far
  double learning_rate = 0;
  double seconds = 0;  // since the epoch began
};

struct EpochReport {
  std::int64_t epoch = 0;
  std::int64_t samples = 0;
  double loss = 0;  // mean over the epoch, as trained (augmented, batch statistics)
  double top1 = 0;
  double learning_rate = 0;  // of the last step
  double seconds = 0;
  std::int64_t skipped_steps = 0;  // whose gradients overflowed in fp16 and were not applied
  [[nodiscard]] double images_per_second() const {
    return seconds > 0 ? static_cast<double>(samples) / seconds : 0;
  }
};

// Told of progress; may ask to stop between steps.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  // After each step whose loss the host has looked at (TrainerOptions::read_every).
  virtual void on_step(const StepReport& /*report*/) {}
  virtual void on_epoch(const EpochReport& /*report*/) {}
  // True ends the epoch after this step; run_epoch then throws Interrupted.
  [[nodiscard]] virtual bool stop_requested() { return false; }
};

// Raised when an observer asked to stop, between two steps: the trainer can be saved there, and goes on in
// the middle of the epoch after it was restored.
class Interrupted : public Error {
 public:
  using Error::Error;
};

class RecordedSteps;
struct StepOptions;  // secateur/runtime/step_memory.h

class Trainer {
 public:
  Trainer(Model& model, Arena& arena, Stream& stream, BatchSource& source, TrainerOptions options);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // One pass over the source. `phase_epoch` is how many epochs of `phase` have gone before. Throws Error that
  // names epoch and step when the loss is not finite; the weights of that step, and of those queued after it,
  // are not updated.
  EpochReport run_epoch(const LrPhase& phase, std::int64_t phase_epoch, TrainObserver& observer);
  // The same with a hook at work.
  EpochReport run_epoch(const LrPhase& phase, std::int64_t phase_epoch, TrainObserver& observer,
                        TrainHook& hook, const HookPlace& place);

  // Whose scores the losses are mixed with, where the options say so. Must outlive the training.
  void teach(Teacher& teacher) { teacher_ = &teacher; }

  [[nodiscard]] std::int64_t epoch() const { return epoch_; }
  [[nodiscard]] std::int64_t step() const { return step_; }
  [[nodiscard]] const TrainerOptions& options() const { return options_; }
  // Planned activation bytes of the training program for images of full size. Compiles it when needed, and
  // throws Error with the figures, and the largest batch that would fit, where the device has not so much
  // memory left.
  [[nodiscard]] std::int64_t planned_bytes();
  // What the device will have allocated in the first step: what it has now, and the program's plan.
  [[nodiscard]] std::int64_t peak_bytes();
  // The program of whole batches (compiled when needed), for a look at its figures.
  [[nodiscard]] const Program& program();
  // Kernels that a recorded step of a whole batch runs, from input to update; 0: none was recorded.
  [[nodiscard]] std::int64_t recorded_kernels() const;

  // From here on the parts of every step are timed, and none is recorded; on a GPU the host then waits after
  // each part, which costs time.
  void time_steps() { timed_ = true; }
  [[nodiscard]] StepTimes take_times() { return std::exchange(times_, {}); }

  // After Interrupted the place in the epoch is part of it.
  void save(StateWriter writer) const;
  // Throws Error where the state was saved in the middle of an epoch of batches of another size.
  void restore(const StateReader& reader);
  // Counts on where another run ended or was interrupted, so that nothing random is drawn a second time.
  void count_on_from(const StateReader& reader);

 private:
  [[nodiscard]] std::int64_t full_size() const { return model_.graph().shape(0).height; }
  // What an epoch has come to, as far as the host knows.
  struct EpochSums {
    std::int64_t samples = 0;
    double loss = 0;
    std::int64_t top1 = 0;

    void add(const BatchMetrics& metrics, std::int64_t count) {
      samples += count;
      loss += metrics.loss_sum;
      top1 += metrics.top1;
    }
    [[nodiscard]] double mean_loss() const { return loss / static_cast<double>(samples); }
  };
  // How far an epoch had come when it was interrupted; nothing between two epochs.
  struct EpochPlace {
    std::int64_t steps = 0;
    EpochSums sums;
    std::int64_t skipped_steps = 0;
    double seconds = 0;
  };

  void compile();
  void take_terms(TrainHook& hook);
  [[nodiscard]] StepOptions step_options() const;
  // This process's part of the batch of a step of the epoch, and what the host knows of the step in hand.
  [[nodiscard]] BatchPart part_of_step(std::int64_t step) const;
  [[nodiscard]] StepState state_of(const BatchPart& part) const;
  // Of this process's part of a batch.
  [[nodiscard]] std::unique_ptr<Program> program_of(const BatchPart& part, std::int64_t image_size);
  EpochReport run_steps(const LrPhase& phase, std::int64_t phase_epoch, TrainObserver& observer,
                        TrainHook* hook);
  // A step that the host looks at.
  [[nodiscard]] BatchMetrics train_step(Program& program, const BatchPart& part, double rate);
  // Steps that are recorded: `rates` are those of the epoch's steps. take_recorded_step() is true where the
  // host has looked at it and those before.
  [[nodiscard]] bool records() const { return recorded_ != nullptr && !timed_; }
  void begin_recorded(std::span<const double> rates);
  [[nodiscard]] bool take_recorded_step(Program& program, std::int64_t step, std::span<const double> rates,
                                        EpochSums& sums);
  void read_back(std::span<const double> rates, EpochSums& sums);
  [[noreturn]] void fail_non_finite(const Program& program, const BatchPart& part, double rate);
  [[nodiscard]] bool gradients_finite();

  Model& model_;
  Arena& arena_;
  Stream& stream_;
  BatchSource& source_;
  TrainerOptions options_;
  Sgd sgd_;
  WeightAverage average_;
  Teacher* teacher_ = nullptr;
  LossScale loss_scale_;
  DataParallel parallel_;
  std::int64_t batch_;  // samples of a whole batch, of which program_ computes its part
  std::unique_ptr<Program> program_;
  std::unique_ptr<Program> tail_program_;
  std::unique_ptr<RecordedSteps> recorded_;  // null: the host looks after every step
  std::int64_t recorded_from_ = 0;           // what step_ was at the start of the recorded epoch
  std::int64_t generation_ = -1;
  std::int64_t image_size_ = 0;  // that the programs are for
  std::int64_t epoch_ = 0;
  std::int64_t step_ = 0;
  EpochPlace place_;
  MetricsReader metrics_;
  bool timed_ = false;
  StepTimes times_;
};

}  // namespace secateur
