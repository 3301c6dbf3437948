// Every convolution of every network, whole and at the odd widths that pruning leaves, has an engine on the
// GPUs that the project names - found without any of them.
#ifdef SECATEUR_WITH_CUDA

#include <gtest/gtest.h>

#include <set>

#include "secateur/backend/conv_plan.h"
#include "secateur/core/error.h"
#include "secateur/core/slab.h"
#include "secateur/models/models.h"

namespace secateur {
namespace {

constexpr std::array kPrecisions{Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16};
constexpr std::array kPasses{ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient};
constexpr std::array<std::int64_t, 9> kWidths{1, 3, 7, 9, 15, 17, 35, 61, 63};

// Extents, window and widths of one convolution.
struct Layer {
  ConvMap input, output;  // logical channels
  std::array<std::int64_t, 2> kernel{1, 1}, stride{1, 1}, padding{0, 0};
  std::int64_t batch = 128;
  bool reads_image = false;
  auto operator<=>(const Layer&) const = default;
};

std::set<Layer> layers_of(const Graph& graph) {
  std::set<Layer> layers;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (node.op != "conv2d") continue;
    const MapShape& x = graph.shape(node.inputs[0]);
    const MapShape& y = graph.shape(id);
    EXPECT_EQ(node.attributes.integer_or("groups", 1), 1) << "this test knows no groups: " << node.name;
    layers.insert({{x.height, x.width, x.channels},
                   {y.height, y.width, y.channels},
                   node.attributes.pair_or("kernel", 1),
                   node.attributes.pair_or("stride", 1),
                   node.attributes.pair_or("padding", 0),
                   graph.shape(0).height > 64 ? 32 : 128,
                   graph.node(node.inputs[0]).inputs.empty()});
  }
  return layers;
}

const std::set<Layer>& all_layers() {
  static const std::set<Layer> layers = [] {
    std::set<Layer> all;
    for (const auto& [name, description] : models::list()) {
      all.merge(layers_of(models::build(name)));
      if (name.starts_with("resnet") && name != "resnet50") {
        try {
          all.merge(layers_of(models::build(name, {.shortcut = "zero_padding"})));
        } catch (const Error&) {  // the 224x224 networks have no such option
        }
      }
    }
    return all;
  }();
  return layers;
}

// The problems of a layer as a program stores it, through the same function as the kernel's.
void add_problems(std::set<ConvProblem>& problems, const Layer& layer, Precision precision) {
  const std::int64_t padding = gpu_channel_padding(precision);
  Node node{"layer",
            "conv2d",
            {0},
            {{"out_channels", layer.output.channels},
             {"kernel", std::vector<std::int64_t>(layer.kernel.begin(), layer.kernel.end())},
             {"stride", std::vector<std::int64_t>(layer.stride.begin(), layer.stride.end())},
             {"padding", std::vector<std::int64_t>(layer.padding.begin(), layer.padding.end())}}};
  const auto map = [&](const ConvMap& m) {
    return Tensor(nullptr, storage_type(precision), {layer.batch, m.height, m.width, m.channels},
                  align_up(m.channels, padding));
  };
  const ConvGeometry geometry = conv_geometry(node, precision, map(layer.input), map(layer.output));
  for (const ConvPass pass : kPasses) {
    if (pass == ConvPass::input_gradient && layer.reads_image) continue;
    ConvProblem problem = geometry.pass(pass);
    problem.deterministic = true;
    problems.insert(problem);
  }
}

class CudaConvCover : public testing::TestWithParam<const char*> {};

TEST_P(CudaConvCover, EveryLayerHasAnEngine) {
  std::set<ConvProblem> problems;
  for (const Precision precision : kPrecisions) {
    for (const Layer& layer : all_layers()) add_problems(problems, layer, precision);
  }
  ConvPlanCache cache(find_gpu(GetParam()));
  for (const ConvProblem& problem : problems) EXPECT_NO_THROW(static_cast<void>(cache.find(problem)));
  EXPECT_EQ(cache.made(), static_cast<std::int64_t>(problems.size()));
  RecordProperty("plans", static_cast<int>(problems.size()));
}

// Each distinct map and window at each width on both sides: odd in fp32 and tf32, padded in 16 bits.
TEST_P(CudaConvCover, EveryLayerHasAnEngineAtOddWidths) {
  std::set<Layer> windows;
  for (Layer layer : all_layers()) {
    layer.output.channels = 0;
    if (!layer.reads_image) layer.input.channels = 0;
    windows.insert(layer);
  }
  std::set<ConvProblem> problems;
  for (Layer layer : windows) {
    for (const std::int64_t width : kWidths) {
      layer.output.channels = width;
      if (!layer.reads_image) layer.input.channels = width;
      for (const Precision precision : kPrecisions) add_problems(problems, layer, precision);
    }
  }
  ConvPlanCache cache(find_gpu(GetParam()));
  for (const ConvProblem& problem : problems) EXPECT_NO_THROW(static_cast<void>(cache.find(problem)));
  RecordProperty("plans", static_cast<int>(problems.size()));
}

// Stored in 16 bits, no width asks cuDNN for a hidden copy of its maps.
TEST_P(CudaConvCover, PaddedWidthsNeedNoCopies) {
  const std::int64_t copy = std::int64_t{128} * 32 * 32 * 35 * 2;
  ConvPlanCache cache(find_gpu(GetParam()));
  for (const std::int64_t width : {35, 61}) {
    std::set<ConvProblem> padded;
    add_problems(padded, {{32, 32, width}, {32, 32, width}, {3, 3}, {1, 1}, {1, 1}}, Precision::bf16);
    for (const ConvProblem& problem : padded) {
      EXPECT_EQ(problem.input.channels % 8, 0);
      EXPECT_LT(cache.find(problem)->workspace(), copy / 2) << problem.to_string();
      EXPECT_TRUE(cache.find(problem)->tensor_cores()) << problem.to_string();
      if (problem.pass == ConvPass::weight_gradient) continue;
      ConvProblem odd = problem;
      odd.input.channels = odd.output.channels = width;
      // The unpadded one, which shows what the padding is for.
      EXPECT_GT(cache.find(odd)->workspace(), copy / 2) << odd.to_string();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Gpus, CudaConvCover, testing::Values("h200", "a100", "rtx3090"),
                         [](const auto& gpu) { return std::string(gpu.param); });

// ResNet-50 at 224x224, read from He et al. 2016, Table 1: a second witness that the list above is whole.
TEST(CudaConvCoverage, KnowsTheLayersOfResNet50) {
  struct Row {
    std::int64_t in, out, c, k, kernel, stride;
  };
  constexpr std::array kRows{
      Row{224, 112, 3, 64, 7, 2},   Row{56, 56, 64, 64, 1, 1},    Row{56, 56, 64, 64, 3, 1},
      Row{56, 56, 64, 256, 1, 1},   Row{56, 56, 256, 64, 1, 1},   Row{56, 56, 256, 128, 1, 1},
      Row{56, 28, 128, 128, 3, 2},  Row{28, 28, 128, 512, 1, 1},  Row{56, 28, 256, 512, 1, 2},
      Row{28, 28, 512, 128, 1, 1},  Row{28, 28, 128, 128, 3, 1},  Row{28, 28, 512, 256, 1, 1},
      Row{28, 14, 256, 256, 3, 2},  Row{14, 14, 256, 1024, 1, 1}, Row{28, 14, 512, 1024, 1, 2},
      Row{14, 14, 1024, 256, 1, 1}, Row{14, 14, 256, 256, 3, 1},  Row{14, 14, 1024, 512, 1, 1},
      Row{14, 7, 512, 512, 3, 2},   Row{7, 7, 512, 2048, 1, 1},   Row{14, 7, 1024, 2048, 1, 2},
      Row{7, 7, 2048, 512, 1, 1},   Row{7, 7, 512, 512, 3, 1}};
  for (const Row& r : kRows) {
    const Layer layer{{r.in, r.in, r.c},
                      {r.out, r.out, r.k},
                      {r.kernel, r.kernel},
                      {r.stride, r.stride},
                      {r.kernel / 2, r.kernel / 2},
                      32,
                      r.c == 3};
    EXPECT_TRUE(all_layers().contains(layer)) << r.in << " " << r.c << " -> " << r.k;
  }
}

}  // namespace
}  // namespace secateur

#endif
