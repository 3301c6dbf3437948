// What a graph may ask for, whoever hands it over: a node, a map or a network beyond the limits of
// SECURITY.md is refused by its number, before memory is taken for it.
#include <gtest/gtest.h>

#include "graph/graph_builder.h"
#include "io/temporary_folder.h"
#include "secateur/io/state_tree.h"

namespace secateur {
namespace {

constexpr std::int64_t kMostNodes = 20'000;
constexpr std::int64_t kMostChannels = std::int64_t{1} << 20;

NodeId pointwise(Graph& graph, const std::string& name, NodeId input, std::int64_t channels) {
  return graph.add(name, "conv2d", {input}, {{"out_channels", channels}, {"kernel", std::int64_t{1}}});
}

TEST(GraphLimits, Nodes) {
  Graph graph;
  NodeId last =
      graph.add("image", "input", {},
                {{"height", std::int64_t{1}}, {"width", std::int64_t{1}}, {"channels", std::int64_t{1}}});
  while (graph.size() < kMostNodes) last = graph.add("relu" + std::to_string(last), "relu", {last});
  EXPECT_ERROR(graph.add("one more", "relu", {last}), "at most 20000 nodes");
  EXPECT_EQ(graph.size(), kMostNodes);
}

TEST(GraphLimits, NodesOfAFileBeforeTheyAreLookedAt) {
  StateTree tree;
  tree.set("names", std::vector<std::string>(kMostNodes + 1, "x"));
  EXPECT_ERROR(static_cast<void>(Graph::load(StateReader(tree))), "at most 20000 nodes", "20001");
}

TEST(GraphLimits, ChannelsOfANodeAndOfAll) {
  test::Builder b;
  EXPECT_ERROR(pointwise(b.graph, "wide", b.image(), kMostChannels + 1), "1048577 channels", "1048576");
  for (int i = 0; i < 3; ++i) pointwise(b.graph, "wide" + std::to_string(i), b.image(), kMostChannels);
  EXPECT_ERROR(pointwise(b.graph, "fourth", b.image(), kMostChannels), "more than 4194304 channels together");
}

TEST(GraphLimits, PositionsOfAMap) {
  const auto image = [](std::int64_t height, std::int64_t width) {
    Graph().add("image", "input", {}, {{"height", height}, {"width", width}, {"channels", std::int64_t{1}}});
  };
  image(1 << 13, 1 << 13);
  EXPECT_ERROR(image((1 << 13) + 1, 1 << 13), "67108864");
  EXPECT_ERROR(image(std::int64_t{1} << 62, std::int64_t{1} << 62), "67108864");
}

TEST(GraphLimits, Parameters) {
  test::Builder b;
  const NodeId wide = pointwise(b.graph, "wide", b.image(), kMostChannels);
  EXPECT_ERROR(pointwise(b.graph, "next", wide, (1 << 14) + 1), "17179869184");
}

}  // namespace
}  // namespace secateur
