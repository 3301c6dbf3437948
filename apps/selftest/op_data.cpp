// Random data of op cases.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"
#include "selftest/op_run.h"

namespace secateur::selftest {
namespace {

std::vector<double> normal_values(RandomSequence& random, std::int64_t count, double deviation) {
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = deviation * random.normal();
  return values;
}

std::vector<double> input_values(const OpCase& op_case, std::size_t input, RandomSequence& random) {
  const std::int64_t count = op_case.batch * op_case.inputs[input].count();
  if (op_case.is_label(input)) {
    const auto classes = static_cast<std::uint32_t>(op_case.inputs[0].channels);
    std::vector<double> labels(static_cast<std::size_t>(count));
    for (double& label : labels) label = static_cast<double>(random.below(classes));
    if (count > 2) labels[1] = -1;
    return labels;
  }
  std::vector<double> values = normal_values(random, count, 1.0);
  if (op_case.values == InputValues::distinct) {
    const std::vector<std::int64_t> ranks = random.permutation(count);
    std::transform(ranks.begin(), ranks.end(), values.begin(), [&](std::int64_t rank) {
      return 4.0 * static_cast<double>(rank) / static_cast<double>(count) - 2.0;
    });
  } else if (op_case.values == InputValues::tied) {
    for (double& value : values) value = std::round(value);
  }
  return values;
}

std::vector<double> parameter_values(const ParameterSpec& spec, RandomSequence& random) {
  const std::int64_t count = spec.shape.count();
  std::vector<double> values = normal_values(random, count, 0.5);
  switch (spec.kind) {
    case ParameterKind::weight:
      for (double& value : values) value *= 2 / std::sqrt(static_cast<double>(spec.fan_in));
      break;
    case ParameterKind::norm_scale:
    case ParameterKind::running_variance:
      for (double& value : values) value = random.uniform(0.5, 2.0);
      break;
    case ParameterKind::bias:
    case ParameterKind::norm_shift:
    case ParameterKind::running_mean:
      break;
  }
  return values;
}

// How near to a kink rounding can move a value that is about 1 in size.
double kink_margin(Precision precision) {
  switch (precision) {
    case Precision::fp64:
    case Precision::fp32:
      return 1e-3;
    case Precision::tf32:
    case Precision::fp16:
    case Precision::bf16:
      break;
  }
  return 0.05;
}

// The values that the op's ReLU is applied to; empty where it has none.
std::vector<double> before_relu(const OpCase& op_case, const OpData& data) {
  if (op_case.op == "relu") return data.inputs[0];
  if (op_case.op != "batch_norm_act" || op_case.attributes.integer_or("relu", 1) == 0) return {};
  OpCase linear = op_case;
  linear.attributes.set("relu", std::int64_t{0});
  const auto device = make_host_device(DeviceKind::reference);
  return run_op(linear, data, *device, Precision::fp64, false).output;
}

}  // namespace

OpData make_data(const OpCase& op_case, std::uint64_t seed, Precision precision) {
  const Op& op = find_op(op_case.op);
  const Node node{op_case.name, op_case.op, {}, op_case.attributes};
  const DType type = storage_type(precision);
  RandomSequence random(seed, RngPurpose::test);
  OpData data;
  const auto keep = [](std::vector<double> values, DType kept_in) {
    for (double& value : values) value = rounded_to(kept_in, value);
    return values;
  };
  for (std::size_t i = 0; i < op_case.inputs.size(); ++i) {
    data.inputs.push_back(keep(input_values(op_case, i, random), type));
  }
  for (const ParameterSpec& spec : op.parameters(node, op_case.inputs)) {
    data.parameters.push_back(
        keep(parameter_values(spec, random), precision == Precision::fp64 ? DType::f64 : DType::f32));
  }
  const MapShape output = op.output_shape(node, op_case.inputs);
  data.output_gradient = keep(normal_values(random, op_case.batch * output.count(), 1.0), type);
  const std::vector<double> kinked = before_relu(op_case, data);
  for (std::size_t i = 0; i < kinked.size(); ++i) {
    if (std::abs(kinked[i]) < kink_margin(precision)) data.output_gradient[i] = 0;
  }
  return data;
}

std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const char* chosen = std::getenv("SECATEUR_TEST_SEED");
    return chosen != nullptr ? static_cast<std::uint64_t>(std::strtoull(chosen, nullptr, 10)) : 1;
  }();
  return seed;
}

}  // namespace secateur::selftest
