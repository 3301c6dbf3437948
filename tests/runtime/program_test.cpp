// Programs as a whole: fusion, padding, memory plans and gradients do not change what a network computes.
#include "secateur/runtime/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/train/evaluator.h"
#include "selftest/check.h"
#include "selftest/network_run.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::NoiseSource;
using selftest::relative_error;
using selftest::StepResult;
using selftest::WholeModel;

constexpr std::int64_t kBatch = 6;

StepResult run_training(WholeModel& whole, const ProgramOptions& options) {
  return selftest::run_training_step(whole, options, kBatch);
}

void expect_equal(const StepResult& a, const StepResult& b, double bound) {
  selftest::Comparison comparison;
  comparison.add(a.logits, b.logits, bound, "logits");
  comparison.add(a.losses, b.losses, bound, "losses");
  comparison.add(a.gradients, b.gradients, bound, "gradient of trained parameter");
  comparison.add(a.statistics, b.statistics, bound, "running statistic");
  EXPECT_TRUE(comparison.passed()) << comparison.failure();
}

struct Case {
  const char* name;
  Graph (*build)();
};

class WholeNetwork : public ::testing::TestWithParam<Case> {};

TEST_P(WholeNetwork, FusedEqualsUnfused) {
  for (const DeviceKind device : {DeviceKind::reference, DeviceKind::cpu}) {
    WholeModel fused(GetParam().build(), device);
    WholeModel plain(GetParam().build(), device);
    const double bound = device == DeviceKind::reference ? 1e-12 : 2e-5;
    expect_equal(run_training(fused, {.fuse = true}), run_training(plain, {.fuse = false}), bound);
  }
}

TEST_P(WholeNetwork, StoredWidthIsNotLogicalWidth) {
  for (const DeviceKind device : {DeviceKind::reference, DeviceKind::cpu}) {
    WholeModel padded(GetParam().build(), device);
    WholeModel dense(GetParam().build(), device);
    const double bound = device == DeviceKind::reference ? 1e-12 : 2e-5;
    expect_equal(run_training(padded, {.channel_padding = 8}), run_training(dense, {}), bound);
  }
}

TEST_P(WholeNetwork, GradientsMatchFiniteDifferences) {
  WholeModel whole(GetParam().build(), DeviceKind::reference);
  const StepResult result = run_training(whole, {});
  constexpr double kStep = 1e-6;
  std::size_t trained = 0;
  for (std::size_t i = 0; i < whole.model.parameters().size(); ++i) {
    if (!is_trained(whole.model.parameters()[i].spec.kind)) continue;
    const std::vector<double>& gradient = result.gradients[trained++];
    const auto index = static_cast<std::int64_t>(i);
    std::vector<double> values = whole.model.read(index, *whole.stream);
    const std::size_t element = values.size() / 2;
    double difference = 0;
    for (const double sign : {1.0, -1.0}) {
      std::vector<double> moved = values;
      moved[element] += sign * kStep;
      whole.model.write(index, moved, *whole.stream);
      for (const double loss : run_training(whole, {}).losses) difference += sign * loss / kBatch;
    }
    whole.model.write(index, values, *whole.stream);
    EXPECT_NEAR(gradient[element], difference / (2 * kStep), 1e-6 * (1 + std::abs(gradient[element])))
        << whole.model.parameters()[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Small, WholeNetwork,
                         ::testing::Values(Case{"vgg", [] { return selftest::small_vgg(); }},
                                           Case{"vgg_dropout", [] { return selftest::small_vgg(6, 0.4); }},
                                           Case{"resnet", [] { return selftest::small_resnet(); }}),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(Program, RefusesAModelThatWasReplaced) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  Program program(whole.model, whole.arena, *whole.stream, {.batch = 2});
  program.forward({});
  whole.model = Model(selftest::small_vgg(4), *whole.device);
  EXPECT_THROW(program.forward({}), Error);
}

TEST(Program, RefusesABackwardPassThatItDoesNotHave) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  Program program(whole.model, whole.arena, *whole.stream, {.batch = 2});
  program.forward({});
  EXPECT_THROW(program.backward({}), Error);
  EXPECT_THROW(static_cast<void>(program.labels()), Error);
}

TEST(Program, PlanIsNearItsLowerBound) {
  WholeModel whole(selftest::small_resnet(16), DeviceKind::cpu);
  for (const ProgramMode mode : {ProgramMode::train, ProgramMode::infer}) {
    const Program program(whole.model, whole.arena, *whole.stream, {.batch = 32, .mode = mode});
    EXPECT_GE(program.planned_bytes(), program.lower_bound_bytes());
    EXPECT_LE(static_cast<double>(program.planned_bytes()),
              1.25 * static_cast<double>(program.lower_bound_bytes()));
  }
}

TEST(Program, InferenceNeedsLessMemoryThanTraining) {
  WholeModel whole(selftest::small_resnet(16), DeviceKind::cpu);
  const Program train(whole.model, whole.arena, *whole.stream, {.batch = 32, .mode = ProgramMode::train});
  const Program infer(whole.model, whole.arena, *whole.stream, {.batch = 32, .mode = ProgramMode::infer});
  EXPECT_LT(infer.planned_bytes(), train.planned_bytes() / 2);
}

TEST(Program, AllocatesNothingOnTheDeviceOnceItIsWarm) {
  WholeModel whole(selftest::small_resnet(), DeviceKind::cpu);
  Program program(whole.model, whole.arena, *whole.stream, {.batch = 4, .mode = ProgramMode::train});
  NoiseSource source(whole.model.graph().shape(0), 4, 4, 1);
  const auto step = [&] {
    // A step's inputs are gone after it: their memory is reused.
    source.fill(0, 4, *whole.stream, program.images(), program.labels());
    program.forward({});
    program.backward({});
  };
  step();
  const std::int64_t before = whole.device->allocations();
  for (int i = 0; i < 3; ++i) step();
  EXPECT_EQ(whole.device->allocations(), before);
}

TEST(Program, TapsShowTheValuesThatFusionHides) {
  WholeModel whole(selftest::small_resnet(), DeviceKind::cpu);
  const NodeId norm = whole.model.graph().find("block1.conv2.bn");
  const NodeId act = whole.model.graph().find("block1.relu2");
  std::vector<std::vector<double>> seen;
  for (const bool fuse : {true, false}) {
    Program program(whole.model, whole.arena, *whole.stream,
                    {.batch = 3, .mode = ProgramMode::score, .taps = {norm, act}, .fuse = fuse});
    NoiseSource source(whole.model.graph().shape(0), 4, 3, 5);
    // A scoring program without a loss has no labels: a spare tensor takes them.
    std::vector<std::int32_t> spare(3);
    source.fill(0, 3, *whole.stream, program.images(), Tensor(spare.data(), DType::i32, Shape{3}));
    program.forward({});
    seen.push_back(read_values(program.tap(0), *whole.stream));
    seen.push_back(read_values(program.tap(1), *whole.stream));
  }
  EXPECT_LE(relative_error(seen[0], seen[2]), 1e-6);
  EXPECT_LE(relative_error(seen[1], seen[3]), 1e-6);
  EXPECT_GT(*std::ranges::max_element(seen[1]), 0);
  EXPECT_LT(*std::ranges::min_element(seen[0]), 0);
  EXPECT_GE(*std::ranges::min_element(seen[1]), 0);
}

TEST(Program, TapGradientsMatchFiniteDifferences) {
  // The gradient at the batch norm's output equals that of its shift, summed over positions and samples.
  WholeModel whole(selftest::small_resnet(), DeviceKind::reference);
  const NodeId norm = whole.model.graph().find("block1.conv1.bn");
  Program program(
      whole.model, whole.arena, *whole.stream,
      {.batch = 4, .mode = ProgramMode::score_gradients, .precision = Precision::fp64, .taps = {norm}});
  NoiseSource source(whole.model.graph().shape(0), 4, 4, 5);
  source.fill(0, 4, *whole.stream, program.images(), program.labels());
  program.forward({});
  program.backward({});
  const Tensor gradient = program.tap_gradient(0);
  const auto values = read_values(gradient, *whole.stream);
  std::vector<double> sums(static_cast<std::size_t>(gradient.channels()), 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) sums[i % sums.size()] += values[i];
  const auto shift = whole.model.find_parameter("block1.conv1.bn.shift");
  EXPECT_LE(relative_error(sums, read_values(whole.model.gradient(shift), *whole.stream)), 1e-10);
}

TEST(Program, NegativeLabelsTakeNoPart) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::reference);
  std::vector<std::vector<double>> gradients;
  for (const std::int64_t batch : {std::int64_t{3}, std::int64_t{5}}) {
    Program program(whole.model, whole.arena, *whole.stream,
                    {.batch = batch, .mode = ProgramMode::score_gradients, .precision = Precision::fp64});
    NoiseSource source(whole.model.graph().shape(0), 4, 5, 5);
    source.fill(0, batch, *whole.stream, program.images(), program.labels());
    for (std::int64_t n = 3; n < batch; ++n) program.labels().as<std::int32_t>()[n] = -1;
    program.forward({});
    program.backward({.samples = 3});
    gradients.push_back(
        read_values(whole.model.gradient(whole.model.find_parameter("conv1.weight")), *whole.stream));
  }
  EXPECT_LE(relative_error(gradients[1], gradients[0]), 1e-12);
}

}  // namespace
}  // namespace secateur
