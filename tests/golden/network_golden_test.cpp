// Two small networks against PyTorch: inference, and two steps of training with their gradients, running
// statistics and updated parameters.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "golden/golden_file.h"
#include "golden/golden_targets.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/runtime/model.h"
#include "secateur/runtime/program.h"
#include "secateur/train/sgd.h"
#include "selftest/op_run.h"
#include "selftest/whole_model.h"

namespace secateur::selftest {
namespace {

NodeId images_of(Graph& graph) {
  return graph.add("images", "input", {},
                   {{"height", std::int64_t{8}}, {"width", std::int64_t{8}}, {"channels", std::int64_t{3}}});
}

NodeId convolution(Graph& graph, const std::string& name, NodeId in, std::int64_t channels,
                   std::int64_t kernel = 3, std::int64_t stride = 1) {
  return graph.add(
      name, "conv2d", {in},
      {{"out_channels", channels}, {"kernel", kernel}, {"stride", stride}, {"padding", kernel / 2}});
}

NodeId relu(Graph& graph, NodeId in) { return graph.add(fmt::format("relu{}", in), "relu", {in}); }

NodeId halved(Graph& graph, NodeId in) {
  return graph.add(fmt::format("pool{}", in), "max_pool", {in}, {{"kernel", std::int64_t{2}}});
}

// SmallVgg of make_golden.py.
Graph small_vgg() {
  Graph graph;
  NodeId x = images_of(graph);
  x = relu(graph, graph.add("bn1", "batch_norm", {convolution(graph, "conv1", x, 5)}));
  x = relu(graph, graph.add("bn2", "batch_norm", {convolution(graph, "conv2", x, 6)}));
  x = halved(graph, x);
  x = relu(graph, graph.add("bn3", "batch_norm", {convolution(graph, "conv3", x, 7)}));
  x = halved(graph, x);
  x = graph.add("flatten", "flatten", {x});
  graph.add("fc", "linear", {x}, {{"out_features", std::int64_t{4}}});
  return graph;
}

// SmallResnet of make_golden.py.
Graph small_resnet() {
  Graph graph;
  const auto conv_bn = [&](const std::string& name, NodeId in, std::int64_t channels, std::int64_t kernel,
                           std::int64_t stride) {
    return graph.add(name + "_bn", "batch_norm", {convolution(graph, name, in, channels, kernel, stride)});
  };
  NodeId x = relu(graph, conv_bn("stem", images_of(graph), 4, 3, 1));
  NodeId branch = conv_bn("conv2", relu(graph, conv_bn("conv1", x, 4, 3, 1)), 4, 3, 1);
  x = relu(graph, graph.add("add1", "add", {x, branch}));
  branch = conv_bn("conv4", relu(graph, conv_bn("conv3", x, 6, 3, 2)), 6, 3, 1);
  x = relu(graph, graph.add("add2", "add", {branch, conv_bn("shortcut", x, 6, 1, 2)}));
  x = graph.add("pool", "global_avg_pool", {x});
  graph.add("fc", "linear", {x}, {{"out_features", std::int64_t{5}}});
  return graph;
}

struct Network {
  const char* file;
  Graph (*build)();
};

class NetworkGolden : public ::testing::TestWithParam<GoldenTarget> {};

void feed(Program& program, const GoldenFile& golden, Stream& stream) {
  write_values(program.images(), golden.values("images"), stream);
  if (program.options().mode == ProgramMode::train) {
    write_values(program.labels(), golden.values("labels"), stream);
  }
}

void check_network(const Network& network, const GoldenTarget& target, Device& device) {
  const GoldenFile golden(network.file);
  const auto stream = device.make_stream();
  Arena arena(device);
  Model model(network.build(), device);
  const auto near = [&](const std::vector<double>& got, const std::string& name) {
    EXPECT_LE(relative_error(got, golden.values(name)), target.bound) << name;
  };
  std::size_t parameters = 0;
  for (const Parameter& parameter : model.parameters()) {
    const auto index = static_cast<std::int64_t>(parameters++);
    model.write(index, golden.values("initial/" + parameter.name), *stream);
  }

  ProgramOptions options{.batch = golden.array("images").shape.at(0),
                         .mode = ProgramMode::infer,
                         .precision = target.precision,
                         .label_smoothing = golden.header().at("label_smoothing").get<double>(),
                         .fuse = target.fuse,
                         .channel_padding = target.channel_padding};
  Program inference(model, arena, *stream, options);
  feed(inference, golden, *stream);
  inference.forward({});
  near(read_values(inference.logits(), *stream), "inference_logits");

  options.mode = ProgramMode::train;
  Program training(model, arena, *stream, options);
  Sgd sgd(model, {.momentum = golden.header().at("momentum"),
                  .weight_decay = golden.header().at("weight_decay"),
                  .nesterov = golden.header().at("nesterov")});
  for (const std::string step : {"step1/", "step2/"}) {
    feed(training, golden, *stream);
    training.forward({});
    near(read_values(training.logits(), *stream), step + "logits");
    near(read_values(training.losses(), *stream), step + "losses");
    training.backward({});
    for (std::size_t i = 0; i < parameters; ++i) {
      const Parameter& parameter = model.parameters()[i];
      if (!is_trained(parameter.spec.kind)) continue;
      near(read_values(model.gradient(static_cast<std::int64_t>(i)), *stream),
           step + "gradient/" + parameter.name);
    }
    sgd.step(golden.header().at("learning_rate"), *stream);
    for (std::size_t i = 0; i < parameters; ++i) {
      near(model.read(static_cast<std::int64_t>(i), *stream), step + "after/" + model.parameters()[i].name);
    }
  }
}

TEST_P(NetworkGolden, VggEqualsPyTorch) {
  const auto device = open_test_device(GetParam().device);
  if (device == nullptr) GTEST_SKIP() << "there is no device of kind " << name_of(GetParam().device);
  check_network({"vgg.golden", small_vgg}, GetParam(), *device);
}

TEST_P(NetworkGolden, ResnetEqualsPyTorch) {
  const auto device = open_test_device(GetParam().device);
  if (device == nullptr) GTEST_SKIP() << "there is no device of kind " << name_of(GetParam().device);
  check_network({"resnet.golden", small_resnet}, GetParam(), *device);
}

INSTANTIATE_TEST_SUITE_P(PyTorch, NetworkGolden, ::testing::ValuesIn(golden_targets()), golden_target_name);

}  // namespace
}  // namespace secateur::selftest
