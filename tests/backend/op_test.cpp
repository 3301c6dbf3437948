// The reference's gradients against finite differences. (selftest_test.cpp compares the other devices with
// the reference.)
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "selftest/op_benchmark.h"
#include "selftest/op_case.h"
#include "selftest/op_run.h"

namespace secateur::selftest {
namespace {

double norm(const std::vector<double>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

class OpGradient : public ::testing::TestWithParam<OpCase> {};

// The reference along one random direction of each operand, and of the output: L(x) = <dy, f(x)>,
// (L(x + h d) - L(x - h d)) / 2h = <dL/dx, d> + O(h^2).
TEST_P(OpGradient, EqualsFiniteDifference) {
  const OpCase& op_case = GetParam();
  if (op_case.values == InputValues::tied) GTEST_SKIP() << "a maximum with rivals has no derivative";
  SCOPED_TRACE(fmt::format("SECATEUR_TEST_SEED={}", test_seed()));
  constexpr double kStepSize = 1e-6;
  const auto device = make_host_device(DeviceKind::reference);
  const OpData data = make_data(op_case, test_seed(), Precision::fp64);
  const OpResult result = run_op(op_case, data, *device, Precision::fp64, true);
  RandomSequence random(test_seed(), RngPurpose::test, 1);

  const auto check = [&](auto values_of, const std::vector<double>& gradient, const std::string& what) {
    std::vector<double> direction(gradient.size());
    for (double& value : direction) value = random.normal();
    double difference = 0;
    for (const double sign : {1.0, -1.0}) {
      OpData moved = data;
      std::vector<double>& values = values_of(moved);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += sign * kStepSize * direction[i];
      const std::vector<double> output = run_op(op_case, moved, *device, Precision::fp64, false).output;
      for (std::size_t i = 0; i < output.size(); ++i)
        difference += sign * output[i] * data.output_gradient[i];
    }
    const double expected = std::inner_product(gradient.begin(), gradient.end(), direction.begin(), 0.0);
    EXPECT_NEAR(difference / (2 * kStepSize), expected, 1e-6 * (norm(gradient) + 1)) << what;
  };

  for (std::size_t i = 0; i < data.inputs.size(); ++i) {
    if (!op_case.wants_gradient(i)) continue;
    check([i](OpData& moved) -> std::vector<double>& { return moved.inputs[i]; }, result.input_gradients[i],
          fmt::format("input {}", i));
  }
  for (std::size_t i = 0; i < data.parameters.size(); ++i) {
    if (result.parameter_gradients[i].empty()) continue;  // running statistics
    check([i](OpData& moved) -> std::vector<double>& { return moved.parameters[i]; },
          result.parameter_gradients[i], fmt::format("parameter {}", i));
  }
}

std::string case_name(const ::testing::TestParamInfo<OpCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Ops, OpGradient, ::testing::ValuesIn(op_cases()), case_name);

// The reference cannot be made to compute in another precision than its own.
TEST(ReferenceKernels, RefuseOtherPrecisions) {
  const OpCase op_case{.name = "relu", .op = "relu", .inputs = {{2, 2, 3}}};
  const auto device = make_host_device(DeviceKind::reference);
  const OpData data = make_data(op_case, 1, Precision::fp32);
  EXPECT_THROW(static_cast<void>(run_op(op_case, data, *device, Precision::fp32, false)), Error);
}

// The same declarations serve a benchmark.
TEST(OpBenchmark, TimesBothPasses) {
  const OpCase op_case = op_cases().front();
  const auto device = make_host_device(DeviceKind::cpu);
  const OpTiming timing = time_op(op_case, *device, Precision::fp32, 0.0);
  EXPECT_GT(timing.forward_seconds, 0);
  EXPECT_GT(timing.backward_seconds, 0);
  EXPECT_EQ(timing.macs, 2 * 32 * 32 * 64 * 3 * 3 * 3);
  EXPECT_EQ(timing.bytes, 4 * (2 * 32 * 32 * (3 + 64) + 64 * 3 * 3 * 3));
}

}  // namespace
}  // namespace secateur::selftest
