// Planning a network for a described GPU: counts by hand, with engines made up by the test; the memory
// estimate against what a Program plans.
#include "secateur/runtime/network_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "secateur/backend/kernel.h"
#include "secateur/core/error.h"
#include "secateur/models/models.h"
#include "secateur/runtime/program.h"

namespace secateur {
namespace {

PassEngine free_engine(const ConvProblem& /*problem*/) { return {"made up", 0, true, ""}; }

// One GB/s and one GFLOP/s, so that seconds can be read off.
GpuDescription slow_gpu() {
  GpuDescription gpu;
  gpu.name = "slow";
  gpu.memory_bytes = std::int64_t{1} << 30;
  gpu.memory_bytes_per_second = 1e9;
  gpu.fp32_flops = gpu.bf16_flops = 1e9;
  return gpu;
}

Graph two_layers(std::int64_t width) {
  Graph graph;
  const NodeId image =
      graph.add("image", "input", {},
                {{"height", std::int64_t{8}}, {"width", std::int64_t{8}}, {"channels", std::int64_t{3}}});
  const auto conv = [&](const char* name, NodeId input) {
    return graph.add(name, "conv2d", {input},
                     {{"out_channels", width}, {"kernel", std::int64_t{3}}, {"padding", std::int64_t{1}}});
  };
  graph.add("relu", "relu", {conv("b", conv("a", image))});
  return graph;
}

TEST(NetworkPlan, PassesAndFloorsByHand) {
  const NetworkPlan plan =
      plan_network(two_layers(35), slow_gpu(), {.batch = 2, .precision = Precision::bf16}, free_engine);
  ASSERT_EQ(plan.layers.size(), 2U);
  // The image needs no gradient.
  ASSERT_EQ(plan.layers[0].passes.size(), 2U);
  ASSERT_EQ(plan.layers[1].passes.size(), 3U);
  const PassPlan& forward = plan.layers[1].passes[0];
  const std::int64_t macs = 2 * 64 * 40 * 9 * 40;
  EXPECT_EQ(forward.problem.macs(), macs);
  EXPECT_DOUBLE_EQ(forward.floor_seconds, 2e-9 * static_cast<double>(macs));
  EXPECT_FALSE(forward.memory_bound);
  EXPECT_EQ(plan.macs, 3 * macs + 2 * (2 * 64 * 40 * 9 * 8));
  EXPECT_DOUBLE_EQ(plan.layers[1].idle_fraction(), 1 - 35.0 * 35 / (40 * 40));
  EXPECT_EQ(plan_network(two_layers(8), slow_gpu(), {.batch = 2, .training = false}, free_engine)
                .layers[1]
                .passes.size(),
            1U);
}

TEST(NetworkPlan, WidthsThatLoseAFastPath) {
  // Copies where a width is no multiple of 8.
  const EngineFinder find = [](const ConvProblem& p) -> PassEngine {
    const bool fits = p.output.channels % 8 == 0 && (p.input.channels % 8 == 0 || p.input.channels == 3);
    const std::int64_t copy = (p.input_elements() + p.output_elements()) * size_of(storage_type(p.precision));
    return {"made up", fits ? 0 : copy, fits, ""};
  };
  const NetworkPlanOptions in_fp32{.batch = 2, .precision = Precision::fp32};
  const NetworkPlan odd = plan_network(two_layers(35), slow_gpu(), in_fp32, find);
  ASSERT_EQ(odd.layers[1].losses.size(), 3U);
  EXPECT_EQ(odd.layers[1].rounded_in, 40);
  EXPECT_EQ(odd.layers[1].losses[0].rounded_workspace, 0);
  EXPECT_TRUE(odd.layers[1].losses[0].lost_tensor_cores);
  EXPECT_EQ(odd.layers[0].rounded_in, 3);
  EXPECT_TRUE(plan_network(two_layers(40), slow_gpu(), in_fp32, find).layers[1].losses.empty());
  // Padded in memory, nothing is lost.
  const NetworkPlanOptions in_bf16{.batch = 2, .precision = Precision::bf16};
  EXPECT_TRUE(plan_network(two_layers(35), slow_gpu(), in_bf16, find).layers[1].losses.empty());
}

TEST(NetworkPlan, LargestBatchFitsAndTheNextDoesNot) {
  const Graph graph = two_layers(16);
  NetworkPlanOptions options{.batch = 4, .precision = Precision::fp32};
  const NetworkPlan plan = plan_network(graph, slow_gpu(), options, free_engine);
  ASSERT_GT(plan.largest_batch, 1);
  options.batch = plan.largest_batch;
  EXPECT_LE(plan_network(graph, slow_gpu(), options, free_engine).memory.total(), slow_gpu().memory_bytes);
  options.batch = plan.largest_batch + 1;
  EXPECT_GT(plan_network(graph, slow_gpu(), options, free_engine).memory.total(), slow_gpu().memory_bytes);
  GpuDescription tiny = slow_gpu();
  tiny.memory_bytes = 1000;
  EXPECT_EQ(plan_network(graph, tiny, options, free_engine).largest_batch, 0);
}

TEST(NetworkPlan, RefusalsAreCounted) {
  const EngineFinder none = [](const ConvProblem&) -> PassEngine { return {"", 0, false, "no"}; };
  EXPECT_EQ(plan_network(two_layers(8), slow_gpu(), {.batch = 1}, none).refused, 5);
  EXPECT_THROW(static_cast<void>(plan_network(two_layers(8), slow_gpu(), {.batch = 0}, none)), Error);
}

// The estimate knows nothing of the kernels. The reference device's need next to no memory of their own, so
// that what a Program plans there is maps and gradients, in 8 bytes an element.
TEST(NetworkPlan, MemoryIsNearWhatAProgramPlans) {
  const auto device = make_host_device(DeviceKind::reference);
  const auto stream = device->make_stream();
  for (const char* name : {"resnet20", "vgg16", "resnet18"}) {
    for (const bool training : {true, false}) {
      SCOPED_TRACE(std::string(name) + (training ? ", training" : ", inference"));
      Model model(models::build(name), *device);
      Arena arena(*device);
      const Program program(model, arena, *stream,
                            {.batch = 8,
                             .mode = training ? ProgramMode::train : ProgramMode::infer,
                             .precision = Precision::fp64});
      const NetworkPlan plan =
          plan_network(model.graph(), slow_gpu(),
                       {.batch = 8, .precision = Precision::fp32, .training = training}, free_engine);
      const double ratio =
          2 * static_cast<double>(plan.memory.step) / static_cast<double>(program.planned_bytes());
      EXPECT_GT(ratio, 0.95);
      EXPECT_LT(ratio, 1.05);
      if (training) {
        EXPECT_EQ(2 * plan.memory.model, model.bytes());
      }
    }
  }
}

}  // namespace
}  // namespace secateur
