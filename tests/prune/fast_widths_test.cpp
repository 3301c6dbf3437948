// Multiples that keep a fast path: by the CPU's rule, and by engines that the test makes up.
#include "secateur/prune/fast_widths.h"

#include <gtest/gtest.h>

#include "secateur/models/models.h"
#include "secateur/prune/pruning_plan.h"
#include "secateur/prune/scope.h"
#include "secateur/runtime/program.h"
#include "secateur/runtime/stored_width.h"

namespace secateur {
namespace {

GpuDescription some_gpu() {
  GpuDescription gpu;
  gpu.name = "some GPU";
  gpu.memory_bytes_per_second = 1e12;
  gpu.fp32_flops = gpu.tf32_flops = gpu.bf16_flops = gpu.fp16_flops = 1e12;
  return gpu;
}

struct Network {
  Graph graph = models::build("resnet8");
  ChannelSpaces spaces{graph};
  std::vector<std::int64_t> prunable = prunable_spaces(graph, spaces, PruneScope::all, {});
};

std::vector<std::int64_t> multiples(const std::vector<FastWidth>& widths) {
  std::vector<std::int64_t> result;
  for (const FastWidth& width : widths) result.push_back(width.multiple);
  return result;
}

TEST(FastWidths, OfTheHostAreWholeVectors) {
  const Network network;
  const auto widths = fast_widths_of_host(network.graph, network.spaces, network.prunable);
  EXPECT_EQ(multiples(widths), std::vector<std::int64_t>(network.prunable.size(), 8));
  EXPECT_NE(widths.front().reason.find("vectors of 8"), std::string::npos);
}

TEST(FastWidths, InSixteenBitsAreWhatIsStored) {
  const Network network;
  const EngineFinder unused = [](const ConvProblem&) -> PassEngine { throw std::logic_error("asked"); };
  const auto widths = fast_widths_of_gpu(network.graph, network.spaces, network.prunable, some_gpu(),
                                         {.precision = Precision::bf16}, unused);
  EXPECT_EQ(multiples(widths), std::vector<std::int64_t>(network.prunable.size(), 8));
  EXPECT_NE(widths.front().reason.find("multiples of 8"), std::string::npos);
}

// An engine that copies maps whose channels are no multiple of `unit`, in spaces of 64 channels alone.
PassEngine copies_unless(std::int64_t unit, const ConvProblem& problem) {
  const auto odd = [&](const ConvMap& map) { return map.channels > 32 && map.channels % unit != 0; };
  const bool copies = odd(problem.input) || odd(problem.output);
  return {"made up", copies ? problem.bytes() : 0, true, ""};
}

TEST(FastWidths, AreTheLeastAtWhichNoConvolutionLosesItsEngine) {
  const Network network;
  for (const std::int64_t unit : {1, 2, 4, 8}) {
    const auto widths =
        fast_widths_of_gpu(network.graph, network.spaces, network.prunable, some_gpu(),
                           {.batch = 8, .precision = Precision::fp32, .training = false},
                           [&](const ConvProblem& problem) { return copies_unless(unit, problem); });
    for (const FastWidth& width : widths) {
      // The third stage's spaces have 64 channels; those that it reads from have 32 and share its
      // convolutions.
      if (width.width == 64) {
        EXPECT_EQ(width.multiple, unit) << width.space;
        const char* told = unit == 1 ? "no convolution" : "workspace";
        EXPECT_NE(width.reason.find(told), std::string::npos) << width.reason;
      }
      if (width.width == 16) {
        EXPECT_EQ(width.multiple, 1) << width.space;
      }
    }
  }
}

TEST(FastWidths, OfANetworkThatIsCutAreToldWhereTheyIdle) {
  const Network network;
  EXPECT_TRUE(slow_widths_of_host(models::build("vgg16")).empty() ||
              slow_widths_of_host(models::build("vgg16")).front().layer == "conv1");
  std::vector<std::int64_t> widths;
  for (const ChannelSpace& space : network.spaces.spaces()) widths.push_back(space.width);
  const std::size_t before = slow_widths_of_host(network.graph).size();
  widths[static_cast<std::size_t>(network.spaces.space_of_producer(network.graph.find("layer2.0.conv1")))] =
      27;
  const auto slow = slow_widths_of_host(graph_with_widths(network.graph, network.spaces, widths));
  ASSERT_EQ(slow.size(), before + 2);  // the convolution that makes them and the one that reads them
  EXPECT_EQ(slow[before].layer, "layer2.0.conv1");
  EXPECT_EQ(slow[before].out, 27);
  EXPECT_NEAR(slow[before].idle, 1 - 27.0 / 32, 1e-12);
}

// The rule that `auto` goes by is what a Program stores.
TEST(FastWidths, ProgramsStoreWhatTheRuleSays) {
  EXPECT_EQ(host_stored_channels({4, 4, 27}), 32);
  EXPECT_EQ(host_stored_channels({4, 4, 8}), 8);
  EXPECT_EQ(host_stored_channels({4, 4, 3}), 3);
  EXPECT_EQ(host_stored_channels({1, 1, 27}), 27);
}

}  // namespace
}  // namespace secateur
