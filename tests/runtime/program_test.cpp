// Programs as a whole: fusion, padding, memory plans and gradients do not change what a network computes.
#include "secateur/runtime/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/train/evaluator.h"
#include "support/small_networks.h"
#include "support/whole_model.h"

namespace secateur {
namespace {

using test::NoiseSource;
using test::relative_error;
using test::WholeModel;

constexpr std::int64_t kBatch = 6;

struct RunResult {
  std::vector<double> logits;
  std::vector<double> losses;
  std::vector<std::vector<double>> gradients;  // one a trained parameter
  std::vector<std::vector<double>> statistics;
};

// One training pass over one batch of noise.
RunResult run_training(WholeModel& whole, ProgramOptions options) {
  options.batch = kBatch;
  options.mode = ProgramMode::train;
  options.precision = whole.precision;
  Program program(whole.model, whole.arena, *whole.stream, options);
  NoiseSource source(whole.model.graph().shape(0), 4, kBatch, 11);
  source.fill(0, kBatch, *whole.stream, program.images(), program.labels());
  program.forward({.seed = 3, .step = 5});
  RunResult result;
  result.logits = read_values(program.logits(), *whole.stream);
  result.losses = read_values(program.losses(), *whole.stream);
  program.backward({.seed = 3, .step = 5});
  for (std::size_t i = 0; i < whole.model.parameters().size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    if (is_trained(whole.model.parameters()[i].spec.kind)) {
      result.gradients.push_back(read_values(whole.model.gradient(index), *whole.stream));
    } else {
      result.statistics.push_back(whole.model.read(index, *whole.stream));
    }
  }
  return result;
}

void expect_equal(const RunResult& a, const RunResult& b, double bound) {
  EXPECT_LE(relative_error(a.logits, b.logits), bound);
  EXPECT_LE(relative_error(a.losses, b.losses), bound);
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    EXPECT_LE(relative_error(a.gradients[i], b.gradients[i]), bound) << "gradient of trained parameter " << i;
  }
  for (std::size_t i = 0; i < a.statistics.size(); ++i) {
    EXPECT_LE(relative_error(a.statistics[i], b.statistics[i]), bound) << "running statistic " << i;
  }
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

TEST_P(WholeNetwork, CpuEqualsReference) {
  WholeModel cpu(GetParam().build(), DeviceKind::cpu);
  WholeModel reference(GetParam().build(), DeviceKind::reference);
  expect_equal(run_training(cpu, {}), run_training(reference, {}), 1e-4);
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
  const RunResult result = run_training(whole, {});
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
                         ::testing::Values(Case{"vgg", [] { return test::small_vgg(); }},
                                           Case{"vgg_dropout", [] { return test::small_vgg(6, 0.4); }},
                                           Case{"resnet", [] { return test::small_resnet(); }}),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(Program, RefusesAModelThatWasReplaced) {
  WholeModel whole(test::small_vgg(), DeviceKind::cpu);
  Program program(whole.model, whole.arena, *whole.stream, {.batch = 2});
  program.forward({});
  whole.model = Model(test::small_vgg(4), *whole.device);
  EXPECT_THROW(program.forward({}), Error);
}

TEST(Program, RefusesABackwardPassThatItDoesNotHave) {
  WholeModel whole(test::small_vgg(), DeviceKind::cpu);
  Program program(whole.model, whole.arena, *whole.stream, {.batch = 2});
  program.forward({});
  EXPECT_THROW(program.backward({}), Error);
  EXPECT_THROW(static_cast<void>(program.labels()), Error);
}

TEST(Program, PlanIsNearItsLowerBound) {
  WholeModel whole(test::small_resnet(16), DeviceKind::cpu);
  for (const ProgramMode mode : {ProgramMode::train, ProgramMode::infer}) {
    const Program program(whole.model, whole.arena, *whole.stream, {.batch = 32, .mode = mode});
    EXPECT_GE(program.planned_bytes(), program.lower_bound_bytes());
    EXPECT_LE(static_cast<double>(program.planned_bytes()),
              1.25 * static_cast<double>(program.lower_bound_bytes()));
  }
}

TEST(Program, InferenceNeedsLessMemoryThanTraining) {
  WholeModel whole(test::small_resnet(16), DeviceKind::cpu);
  const Program train(whole.model, whole.arena, *whole.stream, {.batch = 32, .mode = ProgramMode::train});
  const Program infer(whole.model, whole.arena, *whole.stream, {.batch = 32, .mode = ProgramMode::infer});
  EXPECT_LT(infer.planned_bytes(), train.planned_bytes() / 2);
}

TEST(Program, AllocatesNothingOnTheDeviceOnceItIsWarm) {
  WholeModel whole(test::small_resnet(), DeviceKind::cpu);
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
  WholeModel whole(test::small_resnet(), DeviceKind::cpu);
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
  WholeModel whole(test::small_resnet(), DeviceKind::reference);
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
  WholeModel whole(test::small_vgg(), DeviceKind::reference);
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
