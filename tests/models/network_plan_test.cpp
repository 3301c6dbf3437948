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

TEST(NetworkPlan, RefusalsAreCounted) {
  const EngineFinder none = [](const ConvProblem&) -> PassEngine { return {"", 0, false, "no"}; };
  EXPECT_EQ(plan_network(two_layers(8), slow_gpu(), {.batch = 1}, none).refused, 5);
  EXPECT_THROW(static_cast<void>(plan_network(two_layers(8), slow_gpu(), {.batch = 0}, none)), Error);
}

}  // namespace
}  // namespace secateur
