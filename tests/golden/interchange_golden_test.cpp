// A file of weights as PyTorch writes it, with torchvision's names and mixed types (check_interchange.py
// --golden), read into a network of ours: the same answer; and written again: the same values.
#include <gtest/gtest.h>

#include <algorithm>

#include "golden/golden_targets.h"
#include "io/temporary_folder.h"
#include "secateur/export/weights.h"
#include "secateur/models/weight_names.h"
#include "selftest/whole_model.h"
#include "test_paths.h"

namespace secateur::selftest {
namespace {

using test::TemporaryFolder;

// ResNet-18's layers with one block a stage, 4 channels wide, under the names of models/.
Graph narrow_resnet() {
  Graph graph;
  const auto conv_bn = [&](const std::string& conv, const std::string& norm, NodeId in, std::int64_t channels,
                           std::int64_t kernel, std::int64_t stride) {
    const NodeId x = graph.add(
        conv, "conv2d", {in},
        {{"out_channels", channels}, {"kernel", kernel}, {"stride", stride}, {"padding", kernel / 2}});
    return graph.add(norm, "batch_norm", {x});
  };
  NodeId x =
      graph.add("image", "input", {},
                {{"height", std::int64_t{40}}, {"width", std::int64_t{40}}, {"channels", std::int64_t{3}}});
  x = graph.add("relu1", "relu", {conv_bn("conv1", "bn1", x, 4, 7, 2)});
  x = graph.add("maxpool", "max_pool", {x},
                {{"kernel", std::int64_t{3}}, {"stride", std::int64_t{2}}, {"padding", std::int64_t{1}}});
  for (std::int64_t stage = 1; stage <= 4; ++stage) {
    const std::string name = fmt::format("layer{}.0", stage);
    const std::int64_t channels = std::int64_t{2} << stage;
    const std::int64_t stride = stage == 1 ? 1 : 2;
    const NodeId around =
        stage == 1 ? x : conv_bn(name + ".shortcut.conv", name + ".shortcut.bn", x, channels, 1, stride);
    NodeId y =
        graph.add(name + ".relu1", "relu", {conv_bn(name + ".conv1", name + ".bn1", x, channels, 3, stride)});
    y = conv_bn(name + ".conv2", name + ".bn2", y, channels, 3, 1);
    x = graph.add(name + ".relu2", "relu", {graph.add(name + ".add", "add", {y, around})});
  }
  graph.add("fc", "linear", {graph.add("pool", "global_avg_pool", {x})}, {{"out_features", std::int64_t{5}}});
  return graph;
}

Safetensors golden() {
  return Safetensors::read(std::filesystem::path(test::kSourceDir) / "tests/golden/interchange.safetensors");
}

// The file also holds what the answer was for; a strict reader must be given a file without.
Safetensors weights_only(const TemporaryFolder& folder, const Safetensors& file) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : file.entries()) {
    if (name.starts_with("test.") || entry.dtype == DType::i64) continue;
    const std::vector<double> values = file.values(name);
    tensors.push_back({name, entry.shape, {values.begin(), values.end()}});
  }
  write_safetensors(folder / "weights", tensors, {});
  return Safetensors::read(folder / "weights");
}

// [N, C, H, W] -> [N, H, W, C]
std::vector<double> channels_last(const std::vector<double>& values, const Shape& shape) {
  std::vector<double> result;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t p = 0; p < shape[2] * shape[3]; ++p) {
      for (std::int64_t c = 0; c < shape[1]; ++c) {
        result.push_back(values[static_cast<std::size_t>((n * shape[1] + c) * shape[2] * shape[3] + p)]);
      }
    }
  }
  return result;
}

TEST(Interchange, AnswersAsPyTorchAndWritesTheSameValues) {
  const Safetensors file = golden();
  const TemporaryFolder folder;
  const Graph graph = narrow_resnet();
  const ParameterNames names = models::weight_names(graph, models::Naming::torchvision);
  const auto device = make_host_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  Model model(graph, *device);
  model.initialize(1, *stream);
  const Safetensors weights = weights_only(folder, file);
  read_weights(weights, graph, names, [&](const std::string& name, std::span<const double> values) {
    model.write(model.find_parameter(name), values, *stream);
  });

  Arena arena(*device);
  Program program(model, arena, *stream, {.batch = 2});
  write_values(program.images(), channels_last(file.values("test.images"), file.at("test.images").shape),
               *stream);
  program.forward({});
  const std::vector<double> got = read_values(program.logits(), *stream);
  const std::vector<double> wanted = file.values("test.logits");
  ASSERT_EQ(got.size(), wanted.size());
  const double scale = std::abs(*std::ranges::max_element(wanted, {}, [](double v) { return std::abs(v); }));
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-4 * scale) << i;

  write_weights(
      folder / "out", graph,
      [&](const std::string& name) { return model.read(model.find_parameter(name), *stream); }, names);
  const Safetensors written = Safetensors::read(folder / "out");
  EXPECT_EQ(written.entries().size(), weights.entries().size());
  for (const auto& [name, entry] : weights.entries()) {
    EXPECT_EQ(written.at(name).shape, entry.shape) << name;
    EXPECT_EQ(written.values(name), file.values(name)) << name;
  }
  EXPECT_EQ(stored_graph(written), graph);
  EXPECT_EQ(stored_names(written), names);
}

TEST(Interchange, NamesTheTensorThatDoesNotFit) {
  const Safetensors file = golden();
  const TemporaryFolder folder;
  const Graph graph = narrow_resnet();
  const ParameterNames names = models::weight_names(graph, models::Naming::torchvision);
  int written = 0;
  const ParameterWriter count = [&](const std::string&, std::span<const double>) { ++written; };
  EXPECT_ERROR(read_weights(file, graph, names, count), "no use for 2 of its tensors", "test.images",
               "test.logits");
  const Safetensors weights = weights_only(folder, file);
  EXPECT_ERROR(read_weights(weights, graph, models::weight_names(graph, models::Naming::own), count),
               "there is no tensor 'bn1.");
  Graph wider = narrow_resnet();
  std::vector<Node> nodes(wider.nodes().begin(), wider.nodes().end());
  nodes.back().attributes.set("out_features", std::int64_t{6});
  wider.replace_nodes(std::move(nodes));
  EXPECT_ERROR(read_weights(weights, wider, names, count), "'fc.weight' has shape [5, 32]", "needs [6, 32]");
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : weights.entries()) {
    const std::vector<double> values = weights.values(name);
    tensors.push_back({name, entry.shape, {values.begin(), values.end()}});
    if (name == "bn1.bias") tensors.back().values[1] = std::numeric_limits<float>::quiet_NaN();
  }
  write_safetensors(folder / "nan", tensors, {});
  EXPECT_ERROR(read_weights(Safetensors::read(folder / "nan"), graph, names, count), "'bn1.bias' holds nan");
  EXPECT_EQ(written, 0);
}

}  // namespace
}  // namespace secateur::selftest
