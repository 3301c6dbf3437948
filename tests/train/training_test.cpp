// Schedules, the optimiser and the Trainer.
#include <gtest/gtest.h>

#include <cmath>

#include "secateur/core/error.h"
#include "secateur/train/evaluator.h"
#include "secateur/train/lr_schedule.h"
#include "secateur/train/sgd.h"
#include "secateur/train/trainer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::NoiseSource;
using selftest::WholeModel;

LrPhase phase(std::string_view schedule, double rate, double epochs) {
  return {.factor = find_lr_schedule(schedule), .base_rate = rate, .epochs = epochs};
}

TEST(LrSchedule, FollowsItsTable) {
  // The paper: 0.1, then 0.001 from half of the run, 0.0001 from three quarters.
  EXPECT_DOUBLE_EQ(phase("paper", 0.1, 200).rate(99.9), 0.1);
  EXPECT_DOUBLE_EQ(phase("paper", 0.1, 200).rate(100), 0.001);
  EXPECT_DOUBLE_EQ(phase("paper", 0.1, 200).rate(150), 0.0001);
  EXPECT_DOUBLE_EQ(phase("step", 0.1, 200).rate(100), 0.01);
  EXPECT_NEAR(phase("step", 0.1, 200).rate(150), 0.001, 1e-15);
  EXPECT_DOUBLE_EQ(phase("constant", 0.3, 10).rate(9.99), 0.3);
  EXPECT_DOUBLE_EQ(phase("cosine", 0.2, 10).rate(0), 0.2);
  EXPECT_NEAR(phase("cosine", 0.2, 10).rate(5), 0.1, 1e-15);
  EXPECT_NEAR(phase("cosine", 0.2, 10).rate(10), 0.0, 1e-15);
  EXPECT_NEAR(phase("onecycle", 1.0, 10).rate(0), 0.04, 1e-12);
  EXPECT_NEAR(phase("onecycle", 1.0, 10).rate(3), 1.0, 1e-12);
  EXPECT_NEAR(phase("onecycle", 1.0, 10).rate(10), 0.0, 1e-12);
  LrPhase warm = phase("constant", 0.4, 10);
  warm.warmup_epochs = 2;
  EXPECT_DOUBLE_EQ(warm.rate(0.5), 0.1);
  EXPECT_DOUBLE_EQ(warm.rate(2), 0.4);
}

TEST(LrSchedule, NamesWhatThereIs) {
  EXPECT_THROW(static_cast<void>(find_lr_schedule("cosin")), Error);
  EXPECT_EQ(lr_schedule_names().size(), 5U);
}

TEST(Sgd, TwoStepsByHand) {
  for (const bool nesterov : {false, true}) {
    WholeModel whole(selftest::small_vgg(), DeviceKind::reference);
    Sgd sgd(whole.model,
            {.momentum = 0.9, .weight_decay = 0.1, .nesterov = nesterov, .decay_norm_and_bias = false});
    const auto weight = whole.model.find_parameter("fc.weight");
    const auto bias = whole.model.find_parameter("fc.bias");
    double w = whole.model.read(weight, *whole.stream)[3];
    double b = whole.model.read(bias, *whole.stream)[1];
    double w_momentum = 0;
    double b_momentum = 0;
    for (const double gradient : {0.5, -0.25}) {
      whole.model.gradient(weight).as<double>()[3] = gradient;
      whole.model.gradient(bias).as<double>()[1] = gradient;
      sgd.step(0.1, *whole.stream);
      const double decayed = gradient + 0.1 * w;
      w_momentum = 0.9 * w_momentum + decayed;
      w -= 0.1 * (nesterov ? decayed + 0.9 * w_momentum : w_momentum);
      b_momentum = 0.9 * b_momentum + gradient;
      b -= 0.1 * (nesterov ? gradient + 0.9 * b_momentum : b_momentum);
    }
    EXPECT_NEAR(whole.model.read(weight, *whole.stream)[3], w, 1e-14);
    EXPECT_NEAR(whole.model.read(bias, *whole.stream)[1], b, 1e-14);
  }
}

TEST(Sgd, RefusesImpossibleSettings) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::reference);
  EXPECT_THROW(Sgd(whole.model, {.momentum = 1.0}), Error);
  EXPECT_THROW(Sgd(whole.model, {.weight_decay = -1}), Error);
  EXPECT_THROW(Sgd(whole.model, {.momentum = 0, .nesterov = true}), Error);
}

std::vector<std::vector<double>> all_values(WholeModel& whole) {
  std::vector<std::vector<double>> values;
  for (std::size_t i = 0; i < whole.model.parameters().size(); ++i) {
    values.push_back(whole.model.read(static_cast<std::int64_t>(i), *whole.stream));
  }
  return values;
}

TrainerOptions small_batches() {
  TrainerOptions options;
  options.batch = 8;
  return options;
}

TEST(Trainer, LearnsWhatCanBeLearnt) {
  WholeModel whole(selftest::small_resnet(8), DeviceKind::cpu);
  NoiseSource source(whole.model.graph().shape(0), 4, 100, 3);
  Trainer trainer(whole.model, whole.arena, *whole.stream, source, small_batches());
  TrainObserver silent;
  const LrPhase rate = phase("cosine", 0.05, 5);
  const double first = trainer.run_epoch(rate, 0, silent).loss;
  for (std::int64_t epoch = 1; epoch < 5; ++epoch) static_cast<void>(trainer.run_epoch(rate, epoch, silent));
  Evaluator evaluator(whole.model, whole.arena, *whole.stream, 32, Precision::fp32);
  NoiseSource unseen(whole.model.graph().shape(0), 4, 75, 3);
  const Evaluation result = evaluator.run(unseen);
  EXPECT_EQ(result.samples, 75);
  EXPECT_LT(result.loss, 0.5 * first);
  EXPECT_GT(result.top1, 0.9);
  EXPECT_DOUBLE_EQ(result.top5, 1.0);
}

TEST(Trainer, RepeatsAndResumesBitForBit) {
  std::vector<std::vector<std::vector<double>>> outcomes;
  for (const bool interrupted : {false, false, true}) {
    WholeModel whole(selftest::small_vgg(6, 0.3), DeviceKind::cpu);
    NoiseSource source(whole.model.graph().shape(0), 4, 21, 3);  // a tail of 5
    TrainObserver silent;
    const LrPhase rate = phase("cosine", 0.05, 3);
    StateTree saved;
    {
      Trainer trainer(whole.model, whole.arena, *whole.stream, source, small_batches());
      for (std::int64_t epoch = 0; epoch < (interrupted ? 1 : 3); ++epoch) {
        static_cast<void>(trainer.run_epoch(rate, epoch, silent));
      }
      trainer.save(StateWriter(saved, "trainer"));
      whole.model.save(StateWriter(saved, "model"), *whole.stream);
    }
    if (interrupted) {
      const StateReader reader(saved);
      Model resumed = Model::load(reader.scope("model"), *whole.device, *whole.stream);
      Trainer trainer(resumed, whole.arena, *whole.stream, source, small_batches());
      trainer.restore(reader.scope("trainer"));
      for (std::int64_t epoch = 1; epoch < 3; ++epoch)
        static_cast<void>(trainer.run_epoch(rate, epoch, silent));
      whole.model = std::move(resumed);
    }
    outcomes.push_back(all_values(whole));
  }
  EXPECT_EQ(outcomes[0], outcomes[1]);
  EXPECT_EQ(outcomes[0], outcomes[2]);
}

// Stops after so many steps of an epoch; 0: never.
class StopAfter final : public TrainObserver {
 public:
  explicit StopAfter(std::int64_t steps) : steps_(steps) {}
  void on_step(const StepReport& report) override { done_ = report.step + 1; }
  bool stop_requested() override { return steps_ != 0 && done_ == steps_; }

 private:
  std::int64_t steps_;
  std::int64_t done_ = 0;
};

// In the middle, and after the last step (three of them: 8, 8 and 5 samples).
TEST(Trainer, GoesOnInTheMiddleOfAnEpochBitForBit) {
  std::vector<std::vector<std::vector<double>>> outcomes;
  std::vector<EpochReport> reports;
  for (const std::int64_t stop_after : {0, 1, 2, 3}) {
    WholeModel whole(selftest::small_vgg(6, 0.3), DeviceKind::cpu);
    NoiseSource source(whole.model.graph().shape(0), 4, 21, 3);
    const LrPhase rate = phase("cosine", 0.05, 2);
    TrainObserver silent;
    StateTree saved;
    Trainer trainer(whole.model, whole.arena, *whole.stream, source, small_batches());
    static_cast<void>(trainer.run_epoch(rate, 0, silent));
    StopAfter stop(stop_after);
    if (stop_after == 0) {
      reports.push_back(trainer.run_epoch(rate, 1, silent));
    } else {
      EXPECT_THROW(static_cast<void>(trainer.run_epoch(rate, 1, stop)), Interrupted);
      trainer.save(StateWriter(saved, "trainer"));
      whole.model.save(StateWriter(saved, "model"), *whole.stream);
      const StateReader reader(saved);
      Model resumed = Model::load(reader.scope("model"), *whole.device, *whole.stream);
      Trainer second(resumed, whole.arena, *whole.stream, source, small_batches());
      second.restore(reader.scope("trainer"));
      reports.push_back(second.run_epoch(rate, 1, silent));
      EXPECT_EQ(second.epoch(), 2);
      whole.model = std::move(resumed);

      TrainerOptions others = small_batches();
      others.batch = 7;
      Trainer third(whole.model, whole.arena, *whole.stream, source, others);
      EXPECT_THROW(third.restore(reader.scope("trainer")), Error);
      // A run that begins with these weights draws none of this epoch's augmentation again.
      third.count_on_from(reader.scope("trainer"));
      EXPECT_EQ(third.epoch(), 2);
    }
    outcomes.push_back(all_values(whole));
  }
  for (std::size_t i = 1; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[0], outcomes[i]) << "stopped after step " << i;
    EXPECT_EQ(reports[0].samples, reports[i].samples);
    EXPECT_EQ(reports[0].loss, reports[i].loss);
    EXPECT_EQ(reports[0].top1, reports[i].top1);
    EXPECT_EQ(reports[0].learning_rate, reports[i].learning_rate);
  }
}

TEST(Trainer, TrainsOnTheTailUnlessItIsDropped) {
  for (const bool drop : {false, true}) {
    WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
    NoiseSource source(whole.model.graph().shape(0), 4, 21, 3);
    TrainerOptions options = small_batches();
    options.drop_last = drop;
    Trainer trainer(whole.model, whole.arena, *whole.stream, source, options);
    TrainObserver silent;
    EXPECT_EQ(trainer.run_epoch(phase("constant", 0.01, 1), 0, silent).samples, drop ? 16 : 21);
  }
}

TEST(Trainer, StopsAtALossThatIsNotFinite) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  const auto weight = whole.model.find_parameter("fc.weight");
  std::vector<double> broken = whole.model.read(weight, *whole.stream);
  broken[0] = std::nan("");
  whole.model.write(weight, broken, *whole.stream);
  NoiseSource source(whole.model.graph().shape(0), 4, 16, 3);
  Trainer trainer(whole.model, whole.arena, *whole.stream, source, small_batches());
  TrainObserver silent;
  EXPECT_THROW(static_cast<void>(trainer.run_epoch(phase("constant", 0.01, 1), 0, silent)), Error);
  EXPECT_EQ(trainer.step(), 0);
}

TEST(Trainer, ReadsBackAfterAtLeastOneStep) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  NoiseSource source(whole.model.graph().shape(0), 4, 16, 3);
  TrainerOptions options = small_batches();
  options.read_every = 0;
  EXPECT_THROW(Trainer(whole.model, whole.arena, *whole.stream, source, options), Error);
}

TEST(Trainer, AnObserverCanStopIt) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  NoiseSource source(whole.model.graph().shape(0), 4, 64, 3);
  Trainer trainer(whole.model, whole.arena, *whole.stream, source, small_batches());
  StopAfter stop(2);
  EXPECT_THROW(static_cast<void>(trainer.run_epoch(phase("constant", 0.01, 1), 0, stop)), Interrupted);
  EXPECT_EQ(trainer.step(), 2);
}

TEST(Evaluator, CountsTiesAgainstTheNetwork) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  const auto weight = whole.model.find_parameter("fc.weight");
  const std::size_t count = whole.model.read(weight, *whole.stream).size();
  whole.model.write(weight, std::vector<double>(count, 0.0), *whole.stream);
  NoiseSource source(whole.model.graph().shape(0), 4, 20, 3);
  Evaluator evaluator(whole.model, whole.arena, *whole.stream, 8, Precision::fp32);
  const Evaluation result = evaluator.run(source);
  EXPECT_DOUBLE_EQ(result.top1, 0.0);
  EXPECT_NEAR(result.loss, std::log(4.0), 1e-6);
}

}  // namespace
}  // namespace secateur
