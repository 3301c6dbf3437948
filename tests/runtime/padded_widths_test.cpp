// Programs of the CPU store maps with odd channel counts in whole vectors; what they compute is the same.
#include <gtest/gtest.h>

#include <cmath>

#include "secateur/backend/open_device.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"
#include "secateur/export/graph_json.h"
#include "secateur/runtime/program.h"

namespace secateur {
namespace {

// Odd widths; a stride; a residual; a layer with so many weights that oneDNN takes their gradient.
constexpr const char* kNetwork = R"({"format": "secateur-graph", "version": 1, "output": 14, "nodes": [
  {"name": "image", "op": "input", "inputs": [], "attributes": {"height": 6, "width": 6, "channels": 3}},
  {"name": "c1", "op": "conv2d", "inputs": [0], "attributes": {"out_channels": 11, "kernel": 3, "padding": 1}},
  {"name": "b1", "op": "batch_norm", "inputs": [1], "attributes": {}},
  {"name": "r1", "op": "relu", "inputs": [2], "attributes": {}},
  {"name": "c2", "op": "conv2d", "inputs": [3], "attributes": {"out_channels": 11, "kernel": 3, "padding": 1}},
  {"name": "b2", "op": "batch_norm", "inputs": [4], "attributes": {}},
  {"name": "a2", "op": "add", "inputs": [5, 3], "attributes": {}},
  {"name": "r2", "op": "relu", "inputs": [6], "attributes": {}},
  {"name": "c3", "op": "conv2d", "inputs": [7],
   "attributes": {"out_channels": 13, "kernel": 3, "padding": 1, "stride": 2}},
  {"name": "r3", "op": "relu", "inputs": [8], "attributes": {}},
  {"name": "c4", "op": "conv2d", "inputs": [9], "attributes": {"out_channels": 421, "kernel": 3, "padding": 1}},
  {"name": "r4", "op": "relu", "inputs": [10], "attributes": {}},
  {"name": "pool", "op": "global_avg_pool", "inputs": [11], "attributes": {}},
  {"name": "flat", "op": "flatten", "inputs": [12], "attributes": {}},
  {"name": "fc", "op": "linear", "inputs": [13], "attributes": {"out_features": 10}}]})";

struct Outcome {
  std::vector<double> logits, tap;
  std::vector<std::vector<double>> gradients, values;
  std::int64_t image_leading, tap_leading, logits_leading;
};

Outcome step(std::int64_t channel_padding) {
  constexpr std::int64_t kBatch = 5;
  const auto device = open_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  Arena arena(*device);
  Model model(graph_from_json(kNetwork, "the test"), *device);
  model.initialize(5, *stream);
  Program program(model, arena, *stream,
                  {.batch = kBatch,
                   .mode = ProgramMode::train,
                   .with_loss = true,
                   .taps = {7},
                   .channel_padding = channel_padding});
  RandomSequence random(9, RngPurpose::test);
  std::vector<double> images(static_cast<std::size_t>(program.images().count()));
  for (double& value : images) value = random.normal();
  write_values(program.images(), images, *stream);
  write_values(program.labels(), std::vector<double>{1, 9, 0, 4, 4}, *stream);
  program.forward({});
  Outcome outcome;
  outcome.logits = read_values(program.logits(), *stream);
  outcome.tap = read_values(program.tap(0), *stream);
  outcome.image_leading = program.images().leading;
  outcome.tap_leading = program.tap(0).leading;
  outcome.logits_leading = program.logits().leading;
  program.backward({});
  for (std::int64_t p = 0; p < static_cast<std::int64_t>(model.parameters().size()); ++p) {
    outcome.values.push_back(model.read(p, *stream));
    if (!model.gradient(p).empty()) outcome.gradients.push_back(read_values(model.gradient(p), *stream));
  }
  return outcome;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& wanted, const std::string& what) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  double error = 0;
  double size = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    error += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    size += wanted[i] * wanted[i];
  }
  EXPECT_LE(std::sqrt(error), 1e-5 * std::sqrt(size) + 1e-9) << what;
}

TEST(PaddedWidths, AStepIsTheSame) {
  const Outcome dense = step(1);
  const Outcome padded = step(0);
  EXPECT_EQ(dense.tap_leading, 11);
  EXPECT_EQ(padded.tap_leading, 16);
  EXPECT_EQ(padded.image_leading, 3);
  EXPECT_EQ(padded.logits_leading, 10);
  expect_near(padded.logits, dense.logits, "logits");
  expect_near(padded.tap, dense.tap, "tap");
  ASSERT_EQ(padded.gradients.size(), dense.gradients.size());
  EXPECT_GE(dense.gradients.size(), 10);
  for (std::size_t p = 0; p < dense.gradients.size(); ++p) {
    expect_near(padded.gradients[p], dense.gradients[p], "gradient " + std::to_string(p));
  }
  for (std::size_t p = 0; p < dense.values.size(); ++p) {
    expect_near(padded.values[p], dense.values[p], "parameter or statistic " + std::to_string(p));
  }
}

}  // namespace
}  // namespace secateur
