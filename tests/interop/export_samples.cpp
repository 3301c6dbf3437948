// Networks for check_onnx.py: exports one sample and what this program answers to some images.
//
//   export_samples                    lists the samples
//   export_samples SAMPLE FOLDER      writes FOLDER/{plain,folded,dynamic}.onnx, net.safetensors (with the
//   graph)
//                                     and FOLDER/run.safetensors: images [N, C, H, W] and logits [N, ...]
//
// A sample is a network, or "NETWORK pruned", with random weights and batch norm statistics.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "secateur/export/onnx.h"
#include "secateur/models/models.h"
#include "secateur/models/weight_names.h"
#include "secateur/prune/surgeon.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

// Every op and setting that the networks do not use.
Graph every_op() {
  using List = std::vector<std::int64_t>;
  const auto one = [](std::int64_t v) { return v; };
  Graph g;
  const NodeId image =
      g.add("image", "input", {}, {{"height", one(11)}, {"width", one(9)}, {"channels", one(3)}});
  NodeId x = g.add("a", "conv2d", {image},
                   {{"out_channels", one(6)},
                    {"kernel", List{3, 2}},
                    {"stride", List{1, 2}},
                    {"padding", List{2, 1}},
                    {"dilation", List{2, 1}},
                    {"groups", one(3)},
                    {"bias", one(1)}});
  const NodeId trunk = g.add("a.bn", "batch_norm", {x}, {{"epsilon", 0.01}});
  x = g.add("pool.max", "max_pool", {trunk},
            {{"kernel", List{3, 2}}, {"stride", one(1)}, {"padding", List{1, 1}}});
  const NodeId mean =
      g.add("pool.avg", "avg_pool", {x}, {{"kernel", one(2)}, {"stride", one(1)}, {"padding", one(1)}});
  x = g.add("pool.zeros", "avg_pool", {mean},
            {{"kernel", List{3, 3}}, {"stride", one(2)}, {"padding", one(1)}, {"count_include_pad", one(1)}});
  x = g.add("gather", "gather_channels", {x}, {{"table", List{5, 0, 0, 3}}});
  const NodeId branch = g.add("b", "conv2d", {x}, {{"out_channels", one(3)}, {"kernel", one(1)}});
  const NodeId wide = g.add("pad", "pad_channels", {x}, {{"table", List{-1, 3, 1, -1, 0}}});
  x = g.add("scatter", "scatter_add", {wide, branch}, {{"table", List{4, 1, 4}}});
  const NodeId sum = g.add("sum", "add", {x, wide, x});
  const NodeId both = g.add("both", "concat", {g.add("relu", "relu", {sum}), branch});
  const NodeId flat = g.add("flat", "flatten", {both});
  x = g.add("flat.bn", "batch_norm", {g.add("flat.drop", "dropout", {flat}, {{"rate", 0.5}})});
  x = g.add("hidden", "linear", {x}, {{"out_features", one(6)}, {"bias", one(0)}});
  x = g.add("hidden.bn", "batch_norm", {x});
  const NodeId pooled = g.add("mean", "global_avg_pool", {both});
  x = g.add("vectors", "concat",
            {x, pooled, g.add("pooled.pad", "pad_channels", {pooled}, {{"table", List{0, -1}}})});
  x = g.add("point", "conv2d", {x}, {{"out_channels", one(7)}, {"kernel", one(1)}});
  x = g.add("fc", "linear", {x}, {{"out_features", one(4)}});
  g.set_output(x);
  g.add("unused", "relu", {x});
  return g;
}

Graph map_output() {
  selftest::GraphBuilder b;
  b.conv_bn_relu("only", b.x, 4, 3, 2);
  return std::move(b.graph);
}

std::map<std::string, Graph> samples() {
  std::map<std::string, Graph> graphs{{"every_op", every_op()},
                                      {"map_output", map_output()},
                                      {"option_a", selftest::option_a_resnet()},
                                      {"concat", selftest::concat_network()},
                                      {"grouped", selftest::grouped_network()},
                                      {"flat", selftest::flat_network()},
                                      {"dropout_vgg", selftest::small_vgg(6, 0.5)}};
  for (const auto& [name, description] : models::list()) graphs.emplace(name, models::build(name));
  graphs.emplace("resnet20_option_a", models::build("resnet20", {.shortcut = "zero_padding"}));
  graphs.emplace("vgg16_head", models::build("vgg16", {.image = MapShape{64, 64, 3}, .head = 64}));
  // ImageNet's networks run on small images: what is compared are the layers, not their extents.
  for (const char* name : {"resnet18", "resnet34", "resnet50", "resnet101"}) {
    graphs.at(name) = models::build(name, {.num_classes = 50, .image = MapShape{64, 64, 3}});
  }
  return graphs;
}

// Statistics that are not the identity, and weights whose sums stay of one size.
void randomize(selftest::WholeModel& whole) {
  for (std::size_t i = 0; i < whole.model.parameters().size(); ++i) {
    const ParameterSpec& spec = whole.model.parameters()[i].spec;
    if (spec.kind == ParameterKind::weight) continue;
    RandomSequence random(5, RngPurpose::test, static_cast<std::uint32_t>(i));
    std::vector<double> values(static_cast<std::size_t>(spec.shape.count()));
    const bool positive =
        spec.kind == ParameterKind::norm_scale || spec.kind == ParameterKind::running_variance;
    for (double& value : values) {
      value = static_cast<float>(positive ? 0.7 + 0.2 * std::tanh(random.normal()) : 0.2 * random.normal());
    }
    whole.model.write(static_cast<std::int64_t>(i), values, *whole.stream);
  }
}

// Between a third and five sixths of the channels of each space.
KeptMembers random_members(const ChannelSpaces& spaces, std::uint32_t draw) {
  KeptMembers kept = spaces.keep_all();
  for (std::size_t s = 0; s < kept.size(); ++s) {
    const ChannelSpace& space = spaces.spaces()[s];
    if (space.pinned) continue;
    RandomSequence random(6, RngPurpose::test, draw, static_cast<std::uint32_t>(s));
    const std::int64_t run = space.width / space.groups;
    const std::int64_t keep =
        std::max<std::int64_t>(1, run / 3 + random.below(static_cast<std::uint32_t>(run / 2 + 1)));
    kept[s].clear();
    for (std::int64_t g = 0; g < space.groups; ++g) {
      std::vector<std::int64_t> members = random.permutation(run);
      members.resize(static_cast<std::size_t>(keep));
      std::ranges::sort(members);
      for (const std::int64_t m : members) kept[s].push_back(g * run + m);
    }
  }
  return kept;
}

// Channels of a trunk take those of a branch with them: the first draw that leaves something everywhere.
void prune(selftest::WholeModel& whole) {
  const ChannelSpaces spaces(whole.model.graph());
  for (std::uint32_t draw = 0;; ++draw) {
    try {
      apply_plan(whole.model, PruningPlan::from_members(spaces, random_members(spaces, draw)), *whole.stream);
      return;
    } catch (const Error&) {
      if (draw == 50) throw;
    }
  }
}

// [N, H, W, C] -> [N, C, H, W]
NamedTensor channels_first(const std::string& name, const std::vector<double>& values, std::int64_t batch,
                           const MapShape& shape) {
  NamedTensor tensor{name, {batch, shape.channels, shape.height, shape.width}, {}};
  for (std::int64_t n = 0; n < batch; ++n) {
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      for (std::int64_t p = 0; p < shape.positions(); ++p) {
        tensor.values.push_back(static_cast<float>(
            values[static_cast<std::size_t>((n * shape.positions() + p) * shape.channels + c)]));
      }
    }
  }
  return tensor;
}

int write(const std::string& sample, const std::filesystem::path& folder) {
  constexpr std::int64_t kBatch = 2;
  const std::string name = sample.substr(0, sample.find(' '));
  const auto graphs = samples();
  require(graphs.contains(name), "there is no sample '{}'", name);
  selftest::WholeModel whole(graphs.at(name), DeviceKind::cpu);
  randomize(whole);
  if (name != sample) prune(whole);
  const Graph& graph = whole.model.graph();

  Program program(whole.model, whole.arena, *whole.stream, {.batch = kBatch});
  const MapShape image = graph.shape(0);
  std::vector<double> images(static_cast<std::size_t>(kBatch * image.count()));
  RandomSequence random(8, RngPurpose::test);
  for (double& value : images) value = static_cast<float>(random.normal());
  write_values(program.images(), images, *whole.stream);
  program.forward({});
  const std::vector<double> logits = read_values(program.logits(), *whole.stream);
  write_safetensors(folder / "run.safetensors",
                    std::vector{channels_first("images", images, kBatch, image),
                                channels_first("logits", logits, kBatch, graph.shape(graph.output()))},
                    {});

  const ParameterReader read = [&](const std::string& parameter) {
    return whole.model.read(whole.model.find_parameter(parameter), *whole.stream);
  };
  write_onnx(folder / "plain.onnx", graph, read, {.batch = kBatch}, {{"sample", sample}});
  write_onnx(folder / "folded.onnx", graph, read, {.opset = 13, .fold_bn = true, .batch = kBatch});
  write_onnx(folder / "dynamic.onnx", graph, read, {.opset = 21, .fold_bn = true, .dynamic_batch = true});
  write_weights(folder / "net.safetensors", graph, read, models::weight_names(graph, models::Naming::own));
  return 0;
}

}  // namespace
}  // namespace secateur

int main(int argc, char** argv) {
  try {
    if (argc == 3) return secateur::write(argv[1], argv[2]);
    for (const auto& [name, graph] : secateur::samples()) {
      fmt::print("{}\n", name);
      if (name != "map_output") fmt::print("{} pruned\n", name);
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
