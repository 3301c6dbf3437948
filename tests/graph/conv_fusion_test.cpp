// Which convolutions take batch norm along, as far as a graph tells; what a device can is played by the test.
#include "secateur/graph/conv_fusion.h"

#include <gtest/gtest.h>

namespace secateur {
namespace {

Attributes conv(std::int64_t channels) {
  return {{"out_channels", channels}, {"kernel", std::int64_t{3}}, {"padding", std::int64_t{1}}};
}

const ConvFusionCheck kEverything = [](const Node&, const MapShape&, const MapShape&,
                                       std::span<const NodeId>) { return std::nullopt; };

// image 0, conv1 1, bn1 2, relu1 3, conv2 4, bn2 5, relu2 6
Graph chain() {
  Graph graph;
  graph.add("image", "input", {},
            {{"height", std::int64_t{4}}, {"width", std::int64_t{4}}, {"channels", std::int64_t{3}}});
  graph.add("conv1", "conv2d", {0}, conv(3));
  graph.add("bn1", "batch_norm", {1}, {{"epsilon", 1e-3}, {"momentum", 0.3}});
  graph.add("relu1", "relu", {2});
  graph.add("conv2", "conv2d", {3}, conv(5));
  graph.add("bn2", "batch_norm", {4});
  graph.add("relu2", "relu", {5});
  return graph;
}

FusedConvolutions fused(const Graph& graph, std::span<const NodeId> visible = {},
                        const ConvFusionCheck& check = kEverything) {
  return fuse_convolutions(fuse(graph, visible), visible, check);
}

TEST(ConvFusion, AChain) {
  const FusedConvolutions result = fused(chain());
  const Graph& graph = result.fused.graph;
  ASSERT_EQ(graph.size(), 4);
  const Node& first = graph.node(1);
  EXPECT_EQ(first.op, "conv2d");
  EXPECT_TRUE(gives_statistics(first));
  EXPECT_FALSE(takes_statistics(first));
  const Node& second = graph.node(2);
  EXPECT_EQ(second.op, "norm_act_conv2d");
  EXPECT_EQ(second.name, "conv2");
  EXPECT_EQ(second.inputs, (std::vector<NodeId>{1}));
  EXPECT_EQ(second.attributes.integer("out_channels"), 5);
  EXPECT_EQ(second.attributes.real("epsilon"), 1e-3);
  EXPECT_EQ(second.attributes.real("momentum"), 0.3);
  EXPECT_TRUE(gives_statistics(second));
  EXPECT_TRUE(takes_statistics(second));
  EXPECT_EQ(result.fused.sources[2], (std::vector<NodeId>{2, 4}));
  const Node& last = graph.node(3);
  EXPECT_EQ(last.op, "batch_norm_act");
  EXPECT_TRUE(takes_statistics(last));
  EXPECT_EQ(result.fused.node_map, (std::vector<NodeId>{0, 1, -1, -1, 2, -1, 3}));
  EXPECT_EQ(graph.output(), 3);
  ASSERT_EQ(result.choices.size(), 2U);
  EXPECT_EQ(result.choices[0].fusion, ConvFusion::statistics);
  EXPECT_EQ(result.choices[0].reason, "reads no batch norm with a ReLU");
  EXPECT_EQ(result.choices[1].layer, "conv2");
  EXPECT_EQ(result.choices[1].fusion, ConvFusion::norm_act);
  EXPECT_EQ(result.choices[1].reason, "");
}

TEST(ConvFusion, AMapThatIsReadTwiceOrSeenIsStored) {
  Graph graph = chain();
  graph.add("more", "conv2d", {3}, conv(5));
  const FusedConvolutions twice = fused(graph);
  for (const ConvFusionChoice& choice : twice.choices) EXPECT_NE(choice.fusion, ConvFusion::norm_act);
  EXPECT_EQ(twice.choices[1].reason, "reads what others read too");

  const std::vector<NodeId> activation{3};
  const FusedConvolutions seen = fused(chain(), activation);
  EXPECT_EQ(seen.choices[1].fusion, ConvFusion::statistics);
  EXPECT_EQ(seen.choices[1].reason, "reads a map that is looked at");
  EXPECT_EQ(seen.fused.node_map[3], 2);
  EXPECT_TRUE(takes_statistics(seen.fused.graph.node(2)));

  // The convolution's own map may be looked at, but then no sums come with it.
  const std::vector<NodeId> convolution{1};
  EXPECT_EQ(fused(chain(), convolution).choices[0].fusion, ConvFusion::none);
  EXPECT_EQ(fused(chain(), convolution).choices[1].reason,
            "reads a batch norm whose statistics no convolution takes");
}

TEST(ConvFusion, AResidualIsAddedByTheBatchNorm) {
  Graph graph = chain();
  const NodeId third = graph.add("conv3", "conv2d", {6}, conv(5));
  const NodeId norm = graph.add("bn3", "batch_norm", {third});
  const NodeId sum = graph.add("sum", "add", {norm, 6});
  graph.add("relu3", "relu", {sum});
  graph.add("conv4", "conv2d", {graph.output()}, conv(5));
  const FusedConvolutions result = fused(graph);
  ASSERT_EQ(result.choices.size(), 4U);
  EXPECT_EQ(result.choices[2].reason, "reads what others read too");
  EXPECT_EQ(result.choices[2].fusion, ConvFusion::statistics);
  EXPECT_EQ(result.choices[3].reason, "reads a batch norm that adds a residual");
  EXPECT_EQ(result.choices[3].fusion, ConvFusion::none) << "no batch norm reads it";
  const Node& joined = result.fused.graph.node(result.fused.graph.find("bn3"));
  EXPECT_EQ(joined.inputs.size(), 2U);
  EXPECT_TRUE(takes_statistics(joined));
}

// What a device refuses is done as without fusion, and what lies around it is not given up.
TEST(ConvFusion, ARefusalIsKeptAndTheRestFused) {
  const ConvFusionCheck no_main_loop = [](const Node& node, const MapShape& input, const MapShape& output,
                                          std::span<const NodeId> sources) -> std::optional<std::string> {
    if (node.op != "norm_act_conv2d") return std::nullopt;
    EXPECT_EQ(input.channels, 3);
    EXPECT_EQ(output.channels, 5);
    EXPECT_EQ(sources.size(), 2U);
    return "no engine";
  };
  const FusedConvolutions result = fused(chain(), {}, no_main_loop);
  EXPECT_EQ(result.choices[1].fusion, ConvFusion::statistics);
  EXPECT_EQ(result.choices[1].reason, "no engine");
  EXPECT_EQ(result.fused.graph.size(), 5);
  EXPECT_TRUE(takes_statistics(result.fused.graph.node(2)));

  const ConvFusionCheck nothing = [](const Node&, const MapShape&, const MapShape&,
                                     std::span<const NodeId>) -> std::optional<std::string> {
    return "cannot";
  };
  const FusedConvolutions left = fused(chain(), {}, nothing);
  EXPECT_EQ(left.fused.graph, fuse(chain(), {}).graph);
  for (const ConvFusionChoice& choice : left.choices) {
    EXPECT_EQ(choice.fusion, ConvFusion::none);
    EXPECT_EQ(choice.reason, "cannot");
  }
}

TEST(ConvFusion, NamesAreReadAsTheyAreWritten) {
  for (const ConvFusion fusion : {ConvFusion::none, ConvFusion::statistics, ConvFusion::norm_act}) {
    EXPECT_EQ(conv_fusion_from_name(name_of(fusion)), fusion);
  }
  EXPECT_ANY_THROW(static_cast<void>(conv_fusion_from_name("all")));
}

}  // namespace
}  // namespace secateur
