// Programs whose parameters do not change: batch norms folded into filters compute what the plain network
// does.
#include <gtest/gtest.h>

#include <limits>

#include "io/temporary_folder.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"
#include "secateur/runtime/program.h"
#include "selftest/network_run.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::relative_error;
using selftest::WholeModel;

constexpr std::int64_t kBatch = 3;

std::vector<double> logits_of(WholeModel& whole, ProgramOptions options) {
  options.batch = kBatch;
  options.precision = whole.precision;
  Program program(whole.model, whole.arena, *whole.stream, options);
  RandomSequence random(9, RngPurpose::test);
  std::vector<double> images(static_cast<std::size_t>(program.images().count()));
  for (double& value : images) value = random.normal();
  std::vector<double> logits;
  for (int run = 0; run < 2; ++run) {  // the second run uses what the first one prepared
    write_values(program.images(), images, *whole.stream);
    program.forward({});
    logits = read_values(program.logits(), *whole.stream);
  }
  return logits;
}

std::int64_t kernels_of(WholeModel& whole, ProgramOptions options) {
  options.batch = kBatch;
  options.precision = whole.precision;
  return Program(whole.model, whole.arena, *whole.stream, options).forward_steps();
}

// A network that was "trained": scales, shifts and statistics away from where they start. Values of the CPU's
// model, so that both have the same.
void expect_same(const Graph& graph, const std::string& what) {
  WholeModel frozen(graph, DeviceKind::cpu);
  selftest::disturb(frozen);
  WholeModel plain(graph, DeviceKind::reference);
  for (std::int64_t p = 0; p < static_cast<std::int64_t>(frozen.model.parameters().size()); ++p) {
    plain.model.write(p, frozen.model.read(p, *frozen.stream), *plain.stream);
  }
  const std::vector<double> wanted = logits_of(plain, {.fuse = false});
  EXPECT_LE(relative_error(logits_of(frozen, {.frozen = true}), wanted), 1e-5) << what;
  EXPECT_LE(relative_error(logits_of(frozen, {.channel_padding = 1, .frozen = true}), wanted), 1e-5) << what;
  EXPECT_LT(kernels_of(frozen, {.frozen = true}), kernels_of(frozen, {})) << what;
}

TEST(Frozen, SmallNetworksOfOddWidths) {
  for (const std::int64_t width : {1, 3, 5, 8, 13, 35}) {
    expect_same(selftest::small_resnet(width), "resnet " + std::to_string(width));
    expect_same(selftest::small_vgg(width), "vgg " + std::to_string(width));
  }
}

TEST(Frozen, BiasGroupsAndDepthwise) {
  Graph graph;
  const std::int64_t one = 1;
  const std::int64_t three = 3;
  NodeId x = graph.add("image", "input", {},
                       {{"height", std::int64_t{9}}, {"width", std::int64_t{7}}, {"channels", three}});
  const auto add = [&](const std::string& name, Attributes attributes) {
    attributes.set("kernel", three);
    attributes.set("padding", one);
    x = graph.add(name, "conv2d", {x}, std::move(attributes));
    x = graph.add(name + ".bn", "batch_norm", {x}, {{"epsilon", 1e-3}});
    x = graph.add(name + ".relu", "relu", {x});
  };
  add("bias", {{"out_channels", std::int64_t{10}}, {"bias", one}});
  add("groups",
      {{"out_channels", std::int64_t{6}}, {"groups", std::int64_t{2}}, {"stride", std::int64_t{2}}});
  add("depthwise", {{"out_channels", std::int64_t{6}}, {"groups", std::int64_t{6}}});
  add("dilated",
      {{"out_channels", std::int64_t{11}}, {"dilation", std::int64_t{2}}, {"padding", std::int64_t{2}}});
  x = graph.add("pool", "global_avg_pool", {x});
  x = graph.add("flat", "flatten", {x});
  graph.add("fc", "linear", {x}, {{"out_features", std::int64_t{4}}});
  expect_same(graph, "bias, groups, depthwise, dilated");
}

TEST(Frozen, WeightsThatAreNotFiniteAreRefused) {
  WholeModel whole(selftest::small_resnet(5), DeviceKind::cpu);
  std::vector<double> weights = whole.model.read(0, *whole.stream);
  weights[7] = std::numeric_limits<double>::quiet_NaN();
  whole.model.write(0, weights, *whole.stream);
  EXPECT_ERROR(static_cast<void>(logits_of(whole, {.frozen = true})), "not finite", "filter 0");
}

TEST(Frozen, ModesThatChangeParametersAreRefused) {
  WholeModel whole(selftest::small_resnet(5), DeviceKind::cpu);
  for (const ProgramMode mode : {ProgramMode::train, ProgramMode::score, ProgramMode::score_gradients}) {
    EXPECT_ERROR(static_cast<void>(kernels_of(whole, {.mode = mode, .frozen = true})), "for inference");
  }
}

}  // namespace
}  // namespace secateur
