// Every convolution of ResNet-56, whole and with fewer channels in multiples of 8, has an engine for each
// fused pattern in fp16 on Ampere and Hopper - found without such a GPU.
#ifdef SECATEUR_WITH_CUDA

#include "backend/cuda/fused_conv_plan.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "secateur/core/error.h"
#include "secateur/models/models.h"

namespace secateur {
namespace {

constexpr std::array kPatterns{FusedConv::conv_statistics, FusedConv::act_conv_statistics,
                               FusedConv::act_weight_gradient, FusedConv::input_gradient_act};

// The convolutions of ResNet-56 that read maps, not images.
std::set<ConvProblem> layers() {
  const Graph graph = models::build("resnet56");
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

TEST_P(CudaFusedConvPlans, EveryLayerOfResNet56HasAnEngine) {
  const PlanSearch search(find_gpu(GetParam()));
  ASSERT_EQ(layers().size(), 7U);
  for (const ConvProblem& layer : layers()) {
    for (const FusedConv pattern : kPatterns) {
      for (std::int64_t less = 0; less < layer.input.channels; less += 8) {
        ConvProblem problem = layer;
        problem.input.channels -= less;
        problem.output.channels -= less;
        try {
          const EnginePlan plan = plan_fused_conv(pattern, problem, search);
          EXPECT_TRUE(plan.deterministic);
        } catch (const Error& error) {
          ADD_FAILURE() << error.what();
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Gpus, CudaFusedConvPlans, ::testing::Values("h200", "a100"),
                         [](const auto& gpu) { return std::string(gpu.param); });

TEST(CudaFusedConvPlans, RefuseWhatCudnnHasNoEngineFor) {
  const PlanSearch search(find_gpu("h200"));
  ConvProblem problem = *layers().begin();
  const auto error_of = [&] {
    try {
      static_cast<void>(plan_fused_conv(FusedConv::conv_statistics, problem, search));
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
}

}  // namespace
}  // namespace secateur

#endif  // SECATEUR_WITH_CUDA
