// Every op on every device against the reference, and the reference's gradients against finite differences.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "secateur/backend/open_device.h"
#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "support/op_benchmark.h"
#include "support/op_case.h"
#include "support/op_run.h"

namespace secateur::test {
namespace {

struct Target {
  DeviceKind device;
  Precision precision;
};

// Accumulated rounding of the precision with which products are taken and results are stored.
double error_bound(Precision precision) {
  switch (precision) {
    case Precision::fp64:
      return 1e-12;
    case Precision::fp32:
      return 5e-6;
    case Precision::tf32:
    case Precision::fp16:
      return 3e-3;
    case Precision::bf16:
      break;
  }
  return 2e-2;
}

double norm(const std::vector<double>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

void expect_near(const std::vector<double>& got, const std::vector<double>& reference, double bound,
                 const std::string& what) {
  ASSERT_EQ(got.size(), reference.size()) << what;
  std::vector<double> difference(got.size());
  std::transform(got.begin(), got.end(), reference.begin(), difference.begin(), std::minus<>());
  // What is exactly zero is compared with values of size 1.
  const double size = norm(reference);
  double scale = size > 0 ? size : std::sqrt(static_cast<double>(reference.size()));
  // One element alone may be a sum that cancels, whose rounding is still that of its terms, which are of
  // size 1. In longer tensors the other elements set the scale.
  if (reference.size() == 1) scale = std::max(scale, 1.0);
  EXPECT_LE(norm(difference), bound * scale) << what;  // false for NaN
}

void expect_near(const std::vector<std::vector<double>>& got,
                 const std::vector<std::vector<double>>& reference, double bound, const std::string& what) {
  ASSERT_EQ(got.size(), reference.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i)
    expect_near(got[i], reference[i], bound, what + " " + std::to_string(i));
}

std::string seed_message() { return fmt::format("SECATEUR_TEST_SEED={}", test_seed()); }

class OpOnDevice : public ::testing::TestWithParam<std::tuple<OpCase, Target>> {};

TEST_P(OpOnDevice, EqualsReference) {
  const auto& [op_case, target] = GetParam();
  SCOPED_TRACE(seed_message());
  register_builtin_kernels();
  if (const auto reason = why_no_device(target.device)) GTEST_SKIP() << *reason;
  const auto device = open_test_device(target.device);
  if (op_case.op == "max_pool" && op_case.name == "max_pool_large_window" &&
      target.device == DeviceKind::cuda) {
    const OpData data = make_data(op_case, test_seed(), target.precision);
    EXPECT_THROW(static_cast<void>(run_op(op_case, data, *device, target.precision, true)), Error);
    return;
  }
  const auto reference_device = make_host_device(DeviceKind::reference);
  const OpData data = make_data(op_case, test_seed(), target.precision);
  const double bound = error_bound(target.precision);

  const OpResult reference = run_op(op_case, data, *reference_device, Precision::fp64, true);
  const OpResult result = run_op(op_case, data, *device, target.precision, true);
  expect_near(result.output, reference.output, bound, "output");
  expect_near(result.parameters, reference.parameters, bound, "parameters after the forward pass");
  expect_near(result.input_gradients, reference.input_gradients, bound, "gradient of input");
  expect_near(result.parameter_gradients, reference.parameter_gradients, bound, "gradient of parameter");
  EXPECT_TRUE(result.padding_is_zero);
  EXPECT_TRUE(reference.padding_is_zero);

  // A kernel that was made without a backward pass computes the same.
  const OpResult inference = run_op(op_case, data, *device, target.precision, false);
  expect_near(inference.output, reference.output, bound, "output without a backward pass");
  EXPECT_TRUE(inference.padding_is_zero);
}

class OpGradient : public ::testing::TestWithParam<OpCase> {};

// The reference along one random direction of each operand, and of the output: L(x) = <dy, f(x)>,
// (L(x + h d) - L(x - h d)) / 2h = <dL/dx, d> + O(h^2).
TEST_P(OpGradient, EqualsFiniteDifference) {
  const OpCase& op_case = GetParam();
  if (op_case.values == InputValues::tied) GTEST_SKIP() << "a maximum with rivals has no derivative";
  SCOPED_TRACE(seed_message());
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

std::string target_name(const ::testing::TestParamInfo<std::tuple<OpCase, Target>>& info) {
  const auto& [op_case, target] = info.param;
  return fmt::format("{}_{}_{}", op_case.name, name_of(target.device), name_of(target.precision));
}

std::string case_name(const ::testing::TestParamInfo<OpCase>& info) { return info.param.name; }

std::vector<Target> targets() {
  std::vector<Target> result;
#ifndef SECATEUR_SIMULATED_CUDA
  result.push_back({DeviceKind::cpu, Precision::fp32});
#endif
#if defined(SECATEUR_WITH_CUDA) || defined(SECATEUR_SIMULATED_CUDA)
  for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16}) {
    result.push_back({DeviceKind::cuda, precision});
  }
#endif
  return result;
}

INSTANTIATE_TEST_SUITE_P(Ops, OpOnDevice,
                         ::testing::Combine(::testing::ValuesIn(op_cases()), ::testing::ValuesIn(targets())),
                         target_name);
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
}  // namespace secateur::test
