// Every op against PyTorch: forward, gradients, and running statistics.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "golden/golden_file.h"
#include "golden/golden_targets.h"
#include "secateur/core/error.h"
#include "selftest/op_run.h"
#include "selftest/whole_model.h"

namespace secateur::selftest {
namespace {

AttributeValue attribute(const nlohmann::json& value) {
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number()) return value.get<double>();
  return value.get<std::vector<std::int64_t>>();
}

MapShape map_shape(const std::vector<std::int64_t>& shape) {
  if (shape.size() == 4) return {shape[1], shape[2], shape[3]};
  return {1, 1, shape.size() == 2 ? shape[1] : 1};
}

OpCase op_case_of(const nlohmann::json& entry, const GoldenFile& golden, std::int64_t channel_padding) {
  OpCase op_case{.name = entry.at("name"), .op = entry.at("op"), .channel_padding = channel_padding};
  op_case.batch_statistics = entry.at("batch_statistics");
  if (op_case.op == "softmax_cross_entropy") op_case.values = InputValues::labels;
  for (const auto& [key, value] : entry.at("attributes").items())
    op_case.attributes.set(key, attribute(value));
  for (int i = 0; i < entry.at("inputs").get<int>(); ++i) {
    const GoldenArray& input = golden.array(fmt::format("{}/input{}", op_case.name, i));
    op_case.batch = input.shape.at(0);
    op_case.inputs.push_back(map_shape(input.shape));
    op_case.input_gradients.push_back(golden.contains(fmt::format("{}/input_gradient{}", op_case.name, i)));
  }
  return op_case;
}

class OpGolden : public ::testing::TestWithParam<GoldenTarget> {};

TEST_P(OpGolden, EqualsPyTorch) {
  const GoldenTarget& target = GetParam();
  const auto device = open_test_device(target.device);
  if (device == nullptr) GTEST_SKIP() << "there is no device of kind " << name_of(target.device);
  const GoldenFile golden("ops.golden");
  ASSERT_GE(golden.header().at("cases").size(), 20U);
  for (const auto& entry : golden.header().at("cases")) {
    const OpCase op_case = op_case_of(entry, golden, target.channel_padding);
    SCOPED_TRACE(op_case.name);
    const auto values = [&](const std::string& what, std::size_t index) {
      return golden.values(fmt::format("{}/{}{}", op_case.name, what, index));
    };
    OpData data{
        .inputs = {}, .parameters = {}, .output_gradient = golden.values(op_case.name + "/output_gradient")};
    for (std::size_t i = 0; i < op_case.inputs.size(); ++i) data.inputs.push_back(values("input", i));
    for (std::size_t i = 0; i < entry.at("parameters").get<std::size_t>(); ++i) {
      data.parameters.push_back(values("parameter", i));
    }

    const OpResult result = run_op(op_case, data, *device, target.precision, true);
    EXPECT_LE(relative_error(result.output, golden.values(op_case.name + "/output")), target.bound);
    for (std::size_t i = 0; i < op_case.inputs.size(); ++i) {
      if (!op_case.wants_gradient(i)) continue;
      EXPECT_LE(relative_error(result.input_gradients[i], values("input_gradient", i)), target.bound)
          << "input " << i;
    }
    for (std::size_t i = 0; i < data.parameters.size(); ++i) {
      const bool trained = golden.contains(fmt::format("{}/parameter_gradient{}", op_case.name, i));
      const auto& got = trained ? result.parameter_gradients[i] : result.parameters[i];
      EXPECT_LE(relative_error(got, values(trained ? "parameter_gradient" : "after", i)), target.bound)
          << "parameter " << i;
    }
  }
}

// Fusion is nothing that a single op knows of.
std::vector<GoldenTarget> single_op_targets() {
  std::vector<GoldenTarget> targets = golden_targets();
  std::erase_if(targets, [](const GoldenTarget& target) { return !target.fuse; });
  return targets;
}

INSTANTIATE_TEST_SUITE_P(PyTorch, OpGolden, ::testing::ValuesIn(single_op_targets()), golden_target_name);

}  // namespace
}  // namespace secateur::selftest
