// Every convolution of the networks here, whole and with fewer channels in multiples of 8, has an engine for
// each fusion in fp16 on Ampere and Hopper; and programs of them use these - found without such a GPU.
#ifdef SECATEUR_WITH_CUDA

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "secateur/backend/conv_plan.h"
#include "secateur/backend/cuda.h"
#include "secateur/core/error.h"
#include "secateur/models/models.h"
#include "secateur/runtime/program.h"

namespace secateur {
namespace {

constexpr std::array<std::pair<ConvPass, ConvFusion>, 4> kPatterns{
    {{ConvPass::forward, ConvFusion::statistics},
     {ConvPass::forward, ConvFusion::norm_act},
     {ConvPass::weight_gradient, ConvFusion::norm_act},
     {ConvPass::input_gradient, ConvFusion::norm_act}}};

// The convolutions of a network that read maps, not images.
std::set<ConvProblem> layers(std::string_view model) {
  const Graph graph = models::build(model);
  std::set<ConvProblem> result;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (node.op != "conv2d" || graph.node(node.inputs[0]).inputs.empty()) continue;
    const MapShape& x = graph.shape(node.inputs[0]);
    const MapShape& y = graph.shape(id);
    result.insert({.precision = Precision::fp16,
                   .deterministic = true,
                   .batch = 128,
                   .input = {x.height, x.width, x.channels},
                   .output = {y.height, y.width, y.channels},
                   .kernel = node.attributes.pair_or("kernel", 1),
                   .stride = node.attributes.pair_or("stride", 1),
                   .padding = node.attributes.pair_or("padding", 0)});
  }
  return result;
}

class CudaFusedConvPlans : public ::testing::TestWithParam<const char*> {};

TEST_P(CudaFusedConvPlans, EveryLayerHasAnEngine) {
  ConvPlanCache plans(find_gpu(GetParam()));
  for (const char* model : {"resnet20", "resnet56", "vgg16"}) {
    const std::set<ConvProblem> all = layers(model);
    ASSERT_GE(all.size(), 7U);
    for (ConvProblem problem : all) {
      for (int narrower = 0; narrower < 2; ++narrower) {
        for (const auto& [pass, fusion] : kPatterns) {
          problem.pass = pass;
          problem.fusion = fusion;
          try {
            EXPECT_TRUE(plans.find(problem)->deterministic());
          } catch (const Error& error) {
            ADD_FAILURE() << error.what();
          }
        }
        if (problem.input.channels > 64) break;  // the wide ones take an A100's heuristics half a minute
        problem.input.channels -= 8;
        problem.output.channels -= 8;
      }
    }
  }
}

// Blocks of a ResNet apply one batch norm within a convolution, VGG all that no pooling follows; the first
// layer reads an image of three channels, which is stored as eight.
TEST_P(CudaFusedConvPlans, ProgramsUseThem) {
  for (const auto& [model, norm_act] : {std::pair{"resnet20", 9}, {"resnet56", 27}, {"vgg16", 8}}) {
    SCOPED_TRACE(model);
    const auto device = make_described_cuda_device(find_gpu(GetParam()));
    const auto stream = device->make_stream();
    Model whole(models::build(model), *device);
    Arena arena(*device);
    const auto program_of = [&](bool fuse) {
      return Program(whole, arena, *stream,
                     {.batch = 128,
                      .mode = ProgramMode::train,
                      .precision = Precision::fp16,
                      .fuse_convolutions = fuse});
    };
    const Program fused = program_of(true);
    const auto choices = fused.conv_fusions();
    EXPECT_EQ(std::ranges::count(choices, ConvFusion::norm_act, &ConvFusionChoice::fusion), norm_act);
    for (const ConvFusionChoice& choice : choices) {
      EXPECT_NE(choice.fusion, ConvFusion::none) << choice.layer << ": " << choice.reason;
    }
    EXPECT_LT(fused.planned_bytes(), program_of(false).planned_bytes());
  }
}

INSTANTIATE_TEST_SUITE_P(Gpus, CudaFusedConvPlans, ::testing::Values("h200", "h100", "a100"),
                         [](const auto& gpu) { return std::string(gpu.param); });

TEST(CudaFusedConvPlans, RefuseWhatCudnnHasNoEngineFor) {
  ConvPlanCache plans(find_gpu("h200"));
  ConvProblem problem = *layers("resnet56").begin();
  problem.fusion = ConvFusion::statistics;
  const auto error_of = [&] {
    try {
      static_cast<void>(plans.find(problem));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("(no error)");
  };
  EXPECT_EQ(error_of(), "(no error)");
  problem.output.channels = 35;
  EXPECT_NE(error_of().find("multiples of 8"), std::string::npos);
  problem.output.channels = 32;
  problem.precision = Precision::bf16;
  EXPECT_NE(error_of().find("fp16 alone"), std::string::npos);
  problem.precision = Precision::fp16;
  problem.groups = 2;
  EXPECT_NE(error_of().find("one group"), std::string::npos);
  problem.groups = 1;
  problem.pass = ConvPass::weight_gradient;
  EXPECT_NE(error_of().find("what a forward pass writes"), std::string::npos);
}

}  // namespace
}  // namespace secateur

#endif  // SECATEUR_WITH_CUDA
