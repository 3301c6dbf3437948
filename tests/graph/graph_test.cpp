// Building, refusing, saving and loading graphs; the shape that every op gives.
#include "secateur/graph/graph.h"

#include <gtest/gtest.h>

#include <functional>

#include "secateur/core/error.h"
#include "secateur/graph/op.h"

namespace secateur {
namespace {

Attributes image(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return {{"height", height}, {"width", width}, {"channels", channels}};
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "(no error)";
}

// The error of `action` holds every one of `parts`.
void expect_error(const std::function<void()>& action, const std::vector<std::string>& parts) {
  const std::string message = message_of(action);
  for (const std::string& part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << part << " | " << message;
}

TEST(Graph, RefusesNodesThatCannotBe) {
  Graph graph;
  graph.add("image", "input", {}, image(8, 8, 3));
  const Graph before = graph;
  expect_error([&] { graph.add("", "relu", {0}); }, {"relu", "no name"});
  expect_error([&] { graph.add("image", "relu", {0}); }, {"two nodes", "image"});
  expect_error([&] { graph.add("x", "rellu", {0}); }, {"unknown op 'rellu'", "relu"});
  expect_error([&] { graph.add("x", "relu", {0, 0}); }, {"'x' (relu)", "1 to 1", "got 2"});
  expect_error([&] { graph.add("x", "relu", {1}); }, {"'x' reads node 1"});
  expect_error([&] { graph.add("x", "relu", {-1}); }, {"'x' reads node -1"});
  expect_error(
      [&] {
        graph.add("x", "conv2d", {0}, {{"kernel", std::int64_t{3}}});
      },
      {"layer 'x' (conv2d)", "out_channels", "missing"});
  expect_error(
      [&] {
        graph.add("x", "conv2d", {0}, {{"out_channels", std::int64_t{4}}, {"kernel", std::int64_t{9}}});
      },
      {"layer 'x'", "window of 9", "8"});
  expect_error(
      [&] {
        graph.add(
            "x", "conv2d", {0},
            {{"out_channels", std::int64_t{4}}, {"kernel", std::int64_t{1}}, {"groups", std::int64_t{2}}});
      },
      {"3 input and 4 output", "2 groups"});
  expect_error(
      [&] {
        graph.add("x", "linear", {0}, {{"out_features", std::int64_t{4}}});
      },
      {"layer 'x'", "8 x 8"});
  expect_error([&] { graph.add("x", "dropout", {0}, {{"rate", 1.0}}); }, {"dropout", "[0, 1)"});
  expect_error(
      [&] {
        graph.add("x", "gather_channels", {0}, {{"table", std::vector<std::int64_t>{0, 3}}});
      },
      {"'table' holds 3", "0 to 2"});
  expect_error([&] { graph.set_output(1); }, {"node 1 cannot be the output"});
  EXPECT_EQ(graph, before);
}

TEST(Graph, RefusesInputsThatDoNotMeet) {
  Graph graph;
  const NodeId a = graph.add("a", "input", {}, image(8, 8, 3));
  const NodeId b = graph.add("b", "max_pool", {a}, {{"kernel", std::int64_t{2}}});
  expect_error([&] { graph.add("x", "add", {a, b}); }, {"8x8x3", "4x4x3"});
  expect_error([&] { graph.add("x", "concat", {a, b}); }, {"8x8", "4x4"});
  expect_error(
      [&] {
        graph.add("x", "scatter_add", {a, b}, {{"table", std::vector<std::int64_t>{0, 1, 2}}});
      },
      {"8x8", "4x4"});
  expect_error(
      [&] {
        graph.add("x", "scatter_add", {a, a}, {{"table", std::vector<std::int64_t>{0, 1}}});
      },
      {"expected 3, got 2"});
}

struct ShapeCase {
  std::string op;
  Attributes attributes;
  MapShape expected;  // of one 9 x 7 x 6 map
};

class ShapeOf : public testing::TestWithParam<ShapeCase> {};

TEST_P(ShapeOf, Op) {
  Graph graph;
  const NodeId x = graph.add("image", "input", {}, image(9, 7, 6));
  const auto inputs =
      find_op(GetParam().op).arity().first == 2 ? std::vector<NodeId>{x, x} : std::vector<NodeId>{x};
  const NodeId y = graph.add("y", GetParam().op, inputs, GetParam().attributes);
  EXPECT_EQ(graph.shape(y), GetParam().expected);
}

using List = std::vector<std::int64_t>;
constexpr std::int64_t k0 = 0, k1 = 1, k2 = 2, k3 = 3, k5 = 5;

INSTANTIATE_TEST_SUITE_P(
    Graph, ShapeOf,
    testing::Values(ShapeCase{"conv2d", {{"out_channels", k5}, {"kernel", k3}}, {7, 5, 5}},
                    ShapeCase{"conv2d",
                              {{"out_channels", k5}, {"kernel", k3}, {"stride", k2}, {"padding", k1}},
                              {5, 4, 5}},
                    ShapeCase{"conv2d", {{"out_channels", k5}, {"kernel", k3}, {"dilation", k2}}, {5, 3, 5}},
                    ShapeCase{"conv2d",
                              {{"out_channels", k5}, {"kernel", List{1, 5}}, {"stride", List{3, 1}}},
                              {3, 3, 5}},
                    ShapeCase{"batch_norm", {}, {9, 7, 6}}, ShapeCase{"relu", {}, {9, 7, 6}},
                    ShapeCase{"dropout", {{"rate", 0.3}}, {9, 7, 6}}, ShapeCase{"add", {}, {9, 7, 6}},
                    ShapeCase{"max_pool", {{"kernel", k2}}, {4, 3, 6}},
                    ShapeCase{"max_pool", {{"kernel", k3}, {"stride", k2}, {"padding", k1}}, {5, 4, 6}},
                    ShapeCase{"avg_pool", {{"kernel", k3}}, {3, 2, 6}},
                    ShapeCase{"global_avg_pool", {}, {1, 1, 6}}, ShapeCase{"flatten", {}, {1, 1, 378}},
                    ShapeCase{"pad_channels", {{"table", List{-1, 0, 5, -1}}}, {9, 7, 4}},
                    ShapeCase{"gather_channels", {{"table", List{5, 0}}}, {9, 7, 2}},
                    ShapeCase{"scatter_add", {{"table", List{5, 4, 3, 2, 1, 0}}}, {9, 7, 6}}));

TEST(Graph, ConcatAddsChannels) {
  Graph graph;
  const NodeId x = graph.add("image", "input", {}, image(4, 4, 3));
  const NodeId y = graph.add("y", "conv2d", {x}, {{"out_channels", k5}, {"kernel", k1}});
  EXPECT_EQ(graph.shape(graph.add("both", "concat", {x, y})), (MapShape{4, 4, 8}));
}

Graph small_graph() {
  Graph graph;
  const NodeId x = graph.add("image", "input", {}, image(4, 4, 3));
  const NodeId y =
      graph.add("conv", "conv2d", {x}, {{"out_channels", k5}, {"kernel", List{3, 3}}, {"padding", k1}});
  const NodeId z = graph.add("drop", "dropout", {y}, {{"rate", 0.25}});
  graph.add("pool", "global_avg_pool", {z});
  graph.set_output(z);
  return graph;
}

TEST(Graph, SavedAndLoadedIsTheSame) {
  const Graph graph = small_graph();
  StateTree tree;
  graph.save(StateWriter(tree));
  EXPECT_EQ(Graph::load(StateReader(tree)), graph);
}

TEST(Graph, ConsumersAreInOrder) {
  Graph graph = small_graph();
  graph.add("again", "relu", {1});
  EXPECT_EQ(graph.consumers(1), (std::vector<NodeId>{2, 4}));
  EXPECT_TRUE(graph.consumers(4).empty());
  EXPECT_EQ(graph.find("again"), 4);
  EXPECT_EQ(graph.find("nowhere"), -1);
}

TEST(Graph, AChangeThatDoesNotFitLeavesTheGraph) {
  Graph graph = small_graph();
  const Graph before = graph;
  std::vector<Node> nodes(graph.nodes().begin(), graph.nodes().end());
  nodes[1].attributes.set("kernel", std::int64_t{9});
  EXPECT_THROW(graph.replace_nodes(nodes), Error);
  EXPECT_EQ(graph, before);
  nodes[1].attributes.set("kernel", k1);
  nodes[1].attributes.set("padding", k0);
  graph.replace_nodes(nodes);
  EXPECT_EQ(graph.shape(1), (MapShape{4, 4, 5}));
  EXPECT_EQ(graph.output(), before.output());
}

TEST(Attributes, KindsAreChecked) {
  const Attributes attributes{{"one", k1}, {"half", 0.5}, {"three", List{1, 2, 3}}};
  EXPECT_EQ(attributes.integer("one"), 1);
  EXPECT_EQ(attributes.pair_or("one", 7), (std::array<std::int64_t, 2>{1, 1}));
  EXPECT_EQ(attributes.pair_or("none", 7), (std::array<std::int64_t, 2>{7, 7}));
  EXPECT_EQ(attributes.real_or("half", 1), 0.5);
  expect_error([&] { static_cast<void>(attributes.integer("none")); }, {"'none'", "missing"});
  expect_error([&] { static_cast<void>(attributes.integer("half")); }, {"'half'", "an integer"});
  expect_error([&] { static_cast<void>(attributes.pair_or("three", 1)); }, {"'three'", "got 3"});
}

// What a file may make the program build.
TEST(GraphLimits, AreFarFromNetworksAndNearEnoughToHold) {
  using I = std::int64_t;
  const auto refused = [](I height, I channels) {
    try {
      Graph graph;
      graph.add("i", "input", {}, {{"height", height}, {"width", height}, {"channels", channels}});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refused(8192, 3), "");
  EXPECT_NE(refused(8193, 3).find("larger than a layer may have"), std::string::npos);
  EXPECT_NE(refused(I{1} << 40, 3).find("larger than a layer may have"), std::string::npos);
  EXPECT_EQ(refused(1, I{1} << 20), "");
  EXPECT_NE(refused(1, (I{1} << 20) + 1).find("channels"), std::string::npos);

  Graph wide;
  NodeId x = wide.add("i", "input", {}, {{"height", I{1}}, {"width", I{1}}, {"channels", I{1} << 20}});
  EXPECT_THROW(wide.add("f", "linear", {x}, {{"out_features", I{1} << 20}}), Error);  // 2^40 parameters
  for (const char* name : {"a", "b", "c"}) x = wide.add(name, "relu", {x});
  EXPECT_THROW(wide.add("d", "relu", {x}), Error);  // a fifth map of 2^20 channels

  Graph longest;
  x = longest.add("i", "input", {}, {{"height", I{1}}, {"width", I{1}}, {"channels", I{1}}});
  for (I n = 1; n < 20'000; ++n) x = longest.add(std::to_string(n), "relu", {x});
  EXPECT_THROW(longest.add("one more", "relu", {x}), Error);
}

}  // namespace
}  // namespace secateur
