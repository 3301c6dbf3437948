// Parameters and multiply-adds of the networks, against figures of the literature and counts by hand.
#include "secateur/models/models.h"

#include <gtest/gtest.h>

#include "secateur/core/error.h"
#include "secateur/graph/channel_space.h"
#include "secateur/graph/cost.h"
#include "secateur/prune/pruning_plan.h"

namespace secateur {
namespace {

GraphCost cost(const char* name, const models::BuildOptions& options = {}) {
  return cost_of(models::build(name, options));
}

TEST(Models, Vgg) {
  EXPECT_NEAR(static_cast<double>(cost("vgg16").parameters), 14.72e6, 0.005e6);
  EXPECT_NEAR(static_cast<double>(cost("vgg16").macs), 313.20e6, 0.005e6);
  EXPECT_NEAR(static_cast<double>(cost("vgg19").parameters), 20.04e6, 0.005e6);
  EXPECT_NEAR(static_cast<double>(cost("vgg19").macs), 398.1e6, 0.05e6);
  const GraphCost with_head = cost("vgg16", {.head = 512});
  EXPECT_NEAR(static_cast<double>(with_head.parameters), 14.99e6, 0.005e6);
  EXPECT_NEAR(static_cast<double>(with_head.macs), 313.46e6, 0.005e6);
}

TEST(Models, ResNet) {
  const models::BuildOptions option_a{.shortcut = "zero_padding"};
  EXPECT_NEAR(static_cast<double>(cost("resnet32", option_a).macs), 68.86e6, 0.005e6);
  EXPECT_NEAR(static_cast<double>(cost("resnet56", option_a).macs), 125.49e6, 0.005e6);
  EXPECT_NEAR(static_cast<double>(cost("resnet56", option_a).parameters), 0.853e6, 0.0005e6);
  // A projection adds a 1x1 convolution and a batch norm to each of the two stages that change the shape.
  EXPECT_EQ(cost("resnet20").parameters - cost("resnet20", option_a).parameters,
            16 * 32 + 64 + 32 * 64 + 128);
  EXPECT_EQ(cost("resnet20").macs - cost("resnet20", option_a).macs, 16 * 16 * 16 * 32 + 8 * 8 * 32 * 64);
}

// He et al. 2016, Table 1, as torchvision builds them: the stride of a bottleneck on its 3x3 convolution.
TEST(Models, ResNetForImageNet) {
  EXPECT_EQ(cost("resnet18").parameters, 11'689'512);
  EXPECT_EQ(cost("resnet34").parameters, 21'797'672);
  EXPECT_EQ(cost("resnet50").parameters, 25'557'032);
  EXPECT_EQ(cost("resnet101").parameters, 44'549'160);
  EXPECT_NEAR(static_cast<double>(cost("resnet18").macs), 1.814e9, 0.001e9);
  EXPECT_NEAR(static_cast<double>(cost("resnet50").macs), 4.089e9, 0.001e9);
  // At 32x32 the map before the mean is 1x1.
  const Graph small = models::build("resnet18", {.num_classes = 10, .image = MapShape{32, 32, 3}});
  EXPECT_EQ(small.shape(small.find("layer4.1.relu2")).height, 1);
  EXPECT_THROW(static_cast<void>(models::build("resnet18", {.image = MapShape{16, 16, 3}})), Error);
}

TEST(Models, BottlenecksHaveATrunkAndTwoInnerSpaces) {
  const ChannelSpaces spaces(models::build("resnet50"));
  // The stem, two inner convolutions in each of 16 blocks, four trunks, the classifier.
  EXPECT_EQ(spaces.spaces().size(), 1U + 2 * 16 + 4 + 1);
}

// Li et al. 2017, VGG-16-A: half of the first layer and of every convolution with 512 channels.
TEST(Models, CutOfLi) {
  for (const std::int64_t head : {std::int64_t{0}, std::int64_t{512}}) {
    const Graph whole = models::build("vgg16", {.head = head});
    const ChannelSpaces spaces(whole);
    std::vector<std::int64_t> widths;
    for (const ChannelSpace& space : spaces.spaces()) {
      const bool halved = space.name == "conv1" || (space.name.starts_with("conv") && space.width == 512);
      widths.push_back(halved ? space.width / 2 : space.width);
    }
    const GraphCost before = cost_of(whole);
    const GraphCost after = cost_of(graph_with_widths(whole, spaces, widths));
    const auto change = [](std::int64_t from, std::int64_t to) {
      return 100.0 * static_cast<double>(to - from) / static_cast<double>(from);
    };
    EXPECT_NEAR(change(before.macs, after.macs), -34.2, 0.05);
    EXPECT_NEAR(change(before.parameters, after.parameters), head == 0 ? -64.3 : -64.0, 0.05);
  }
}

TEST(Models, TrunksAreOneSpaceAStage) {
  const Graph graph = models::build("resnet20");
  const ChannelSpaces spaces(graph);
  // Nine inner convolutions, three trunks, the classifier.
  EXPECT_EQ(spaces.spaces().size(), 13U);
  const std::int64_t trunk = spaces.space_of_producer(graph.find("layer2.0.conv2"));
  EXPECT_EQ(trunk, spaces.space_of_producer(graph.find("layer2.0.shortcut.conv")));
  EXPECT_EQ(spaces.space(trunk).producers.size(), 4U);
  EXPECT_TRUE(spaces.space(spaces.space_of_producer(graph.find("fc"))).pinned);
}

TEST(Models, ZeroPaddedTrunksFallIntoParts) {
  const Graph graph = models::build("resnet20", {.shortcut = "zero_padding"});
  const ChannelSpaces spaces(graph);
  const NodeId second = graph.find("layer2.0.conv2");
  const NodeId first = graph.find("layer1.0.conv2");
  // The middle 16 of 32 channels are those of the first stage, the outer 16 are the second stage's own.
  EXPECT_EQ(spaces.lanes(second)[8], spaces.lanes(first)[0]);
  EXPECT_EQ(spaces.lanes(second)[23], spaces.lanes(first)[15]);
  EXPECT_NE(spaces.lanes(second)[0].space, spaces.lanes(first)[0].space);
}

TEST(Models, EveryNetworkIsListedAndBuilds) {
  for (const auto& [name, description] : models::list()) {
    EXPECT_FALSE(description.empty());
    const Graph graph = models::build(name, {.num_classes = 7});
    EXPECT_EQ(graph.shape(graph.output()).channels, 7);
  }
}

TEST(Models, MistakesAreNamed) {
  try {
    static_cast<void>(models::build("resnet65"));
    FAIL() << "an unknown network was built";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("resnet56"), std::string::npos) << error.what();
  }
  EXPECT_THROW(static_cast<void>(models::build("resnet20", {.shortcut = "none"})), Error);
  EXPECT_THROW(static_cast<void>(models::build("resnet20", {.num_classes = 1})), Error);
}

}  // namespace
}  // namespace secateur
