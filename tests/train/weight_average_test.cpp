// Averaged weights: the formula, what evaluates them, what is stored.
#include "secateur/train/weight_average.h"

#include <gtest/gtest.h>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/prune/surgeon.h"
#include "secateur/train/trainer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::NoiseSource;
using selftest::WholeModel;

constexpr double kDecay = 0.25;

void set(WholeModel& whole, const char* name, double value) {
  const std::int64_t p = whole.model.find_parameter(name);
  whole.model.write(p, std::vector<double>(whole.model.read(p, *whole.stream).size(), value), *whole.stream);
}

double average_of(const WholeModel& whole, const char* name) {
  return read_values(whole.model.average(whole.model.find_parameter(name)), *whole.stream)[0];
}

// d = 1/10, 2/11, 3/12, then the decay: weights and running statistics alike.
TEST(WeightAverage, WarmsUpAndFollowsItsFormula) {
  WholeModel whole(selftest::small_resnet(), DeviceKind::reference);
  set(whole, "stem.weight", 1);
  set(whole, "stem.bn.running_mean", 10);
  WeightAverage average(whole.model, kDecay, *whole.stream);
  double weight = 1;
  double mean = 10;
  for (const double decay : {0.1, 2.0 / 11, 0.25, 0.25}) {
    set(whole, "stem.weight", 3 * weight);
    set(whole, "stem.bn.running_mean", mean - 1);
    average.update(*whole.stream);
    weight = decay * weight + (1 - decay) * 3 * weight;
    mean = decay * mean + (1 - decay) * (mean - 1);
    EXPECT_NEAR(average_of(whole, "stem.weight"), weight, 1e-12 * weight);
    EXPECT_NEAR(average_of(whole, "stem.bn.running_mean"), mean, 1e-12 * mean);
  }
}

TEST(WeightAverage, BeginsItsWarmUpAnewAfterARemoval) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::reference);
  WeightAverage average(whole.model, 0.999, *whole.stream);
  for (int step = 0; step < 5; ++step) average.update(*whole.stream);
  const ChannelSpaces spaces(whole.model.graph());
  KeptMembers kept = spaces.keep_all();
  for (std::size_t s = 0; s < kept.size(); ++s) {
    if (!spaces.spaces()[s].pinned) kept[s].pop_back();
  }
  (void)apply_plan(whole.model, PruningPlan::from_members(spaces, kept), *whole.stream);
  const double before = average_of(whole, "fc.bias");
  set(whole, "fc.bias", 5);
  average.update(*whole.stream);
  EXPECT_NEAR(average_of(whole, "fc.bias"), 0.1 * before + 0.9 * 5, 1e-12);
}

TEST(WeightAverage, TakesMemoryOnlyWhereItIsAskedFor) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  const std::int64_t plain = whole.model.bytes();
  const WeightAverage none(whole.model, 0, *whole.stream);
  EXPECT_EQ(whole.model.bytes(), plain);
  EXPECT_TRUE(whole.model.average(0).empty());
  const WeightAverage average(whole.model, 0.9, *whole.stream);
  EXPECT_EQ(whole.model.bytes(), plain + whole.model.layout().value_elements() * size_of(DType::f32));
  EXPECT_THROW(WeightAverage(whole.model, 1.0, *whole.stream), Error);
}

std::vector<std::vector<double>> all_averages(const Model& model, Stream& stream) {
  std::vector<std::vector<double>> averages;
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    averages.push_back(read_values(model.average(static_cast<std::int64_t>(i)), stream));
  }
  return averages;
}

TEST(WeightAverage, TrainsEvaluatesAndResumesBitForBit) {
  TrainerOptions options;
  options.batch = 8;
  options.average_decay = 0.9;
  const LrPhase rate{.factor = find_lr_schedule("constant"), .base_rate = 0.05, .epochs = 3};
  TrainObserver silent;
  std::vector<std::vector<std::vector<double>>> outcomes;
  for (const bool interrupted : {false, true}) {
    WholeModel whole(selftest::small_vgg(6), DeviceKind::cpu);
    NoiseSource source(whole.model.graph().shape(0), 4, 21, 3);
    StateTree saved;
    {
      Trainer trainer(whole.model, whole.arena, *whole.stream, source, options);
      for (std::int64_t epoch = 0; epoch < (interrupted ? 1 : 3); ++epoch) {
        (void)trainer.run_epoch(rate, epoch, silent);
      }
      trainer.save(StateWriter(saved, "trainer"));
      whole.model.save(StateWriter(saved, "model"), *whole.stream);
    }
    if (interrupted) {
      const StateReader reader(saved);
      whole.model = Model::load(reader.scope("model"), *whole.device, *whole.stream);
      Trainer trainer(whole.model, whole.arena, *whole.stream, source, options);
      trainer.restore(reader.scope("trainer"));
      for (std::int64_t epoch = 1; epoch < 3; ++epoch) (void)trainer.run_epoch(rate, epoch, silent);
    }
    outcomes.push_back(all_averages(whole.model, *whole.stream));

    // What is evaluated is the average, and is what is left once it takes the weights' place.
    Evaluator evaluator(whole.model, whole.arena, *whole.stream, 8, Precision::fp32);
    const double averaged = evaluator.run(source).loss;
    for (std::size_t i = 0; i < outcomes.back().size(); ++i) {
      EXPECT_NE(whole.model.read(static_cast<std::int64_t>(i), *whole.stream), outcomes.back()[i]);
    }
    whole.model.adopt_averages(*whole.stream);
    EXPECT_EQ(evaluator.run(source).loss, averaged);
    for (std::size_t i = 0; i < outcomes.back().size(); ++i) {
      EXPECT_EQ(whole.model.read(static_cast<std::int64_t>(i), *whole.stream), outcomes.back()[i]);
    }
  }
  EXPECT_EQ(outcomes[0], outcomes[1]);
}

}  // namespace
}  // namespace secateur
