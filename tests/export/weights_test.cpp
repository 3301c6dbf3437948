// Layouts of other frameworks, against orders written down by hand; and graphs that ask for more than there
// is.
#include "secateur/export/weights.h"

#include <gtest/gtest.h>

#include <numeric>

#include "io/temporary_folder.h"
#include "secateur/export/graph_json.h"

namespace secateur {
namespace {

using I = std::int64_t;

Graph with_input(I height, I width, I channels) {
  Graph graph;
  graph.add("image", "input", {}, {{"height", height}, {"width", width}, {"channels", channels}});
  return graph;
}

std::vector<double> counted(std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0.0);
  return values;
}

TEST(ForeignWeights, FiltersTurnFromKrscToKcrs) {
  Graph graph = with_input(3, 3, 2);
  graph.add("c", "conv2d", {0}, {{"out_channels", I{2}}, {"kernel", std::vector<I>{1, 2}}});
  const auto parameters = foreign_parameters(graph);
  ASSERT_EQ(parameters.size(), 1U);
  EXPECT_EQ(parameters[0].shape, (Shape{2, 2, 1, 2}));
  // Own: k0 s0 (c0 c1), k0 s1 (c0 c1), k1 ...
  const std::vector<double> foreign{0, 2, 1, 3, 4, 6, 5, 7};
  EXPECT_EQ(parameters[0].to_foreign(counted(8)), foreign);
  EXPECT_EQ(parameters[0].from_foreign(foreign), counted(8));
}

TEST(ForeignWeights, FeaturesBehindAFlattenTurnFromYxcToCyx) {
  Graph graph = with_input(1, 2, 3);
  NodeId x = graph.add("flatten", "flatten", {0});
  x = graph.add("bn", "batch_norm", {graph.add("relu", "relu", {x})});
  x = graph.add("fc1", "linear", {x}, {{"out_features", I{2}}});
  graph.add("fc2", "linear", {x}, {{"out_features", I{2}}});
  std::map<std::string, ForeignParameter> by_name;
  for (ForeignParameter& p : foreign_parameters(graph)) by_name.emplace(p.name, p);
  // Own: (x0: c0 c1 c2), (x1: c0 c1 c2); foreign: c0 (x0 x1), c1 ..., c2 ...
  const std::vector<double> row{0, 3, 1, 4, 2, 5};
  EXPECT_EQ(by_name.at("bn.scale").to_foreign(counted(6)), row);
  EXPECT_EQ(by_name.at("fc1.weight").to_foreign(counted(12)),
            (std::vector<double>{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}));
  EXPECT_EQ(by_name.at("fc1.weight").from_foreign(by_name.at("fc1.weight").to_foreign(counted(12))),
            counted(12));
  EXPECT_EQ(by_name.at("fc1.bias").to_foreign(counted(2)), counted(2));
  EXPECT_EQ(by_name.at("fc2.weight").to_foreign(counted(4)), counted(4));
}

TEST(ForeignWeights, RefusesFlattenedMapsWithoutAKnownLayout) {
  Graph graph = with_input(2, 2, 3);
  const NodeId x = graph.add("flatten", "flatten", {0});
  graph.add("twice", "concat", {x, x});
  EXPECT_ERROR((void)foreign_parameters(graph), "layer 'twice' (concat)", "4 positions");
}

TEST(ForeignWeights, AGraphMayNotAskForMoreThanTheFileHolds) {
  const test::TemporaryFolder folder;
  Graph graph = with_input(8, 8, 3);
  graph.add("huge", "conv2d", {0}, {{"out_channels", I{1} << 19}, {"kernel", I{3}}});
  const std::vector<NamedTensor> tensors{{"huge.weight", {4}, {1, 2, 3, 4}}};
  write_safetensors(folder / "w", tensors, {{kGraphKey, graph_to_json(graph)}});
  const Safetensors file = Safetensors::read(folder / "w");
  EXPECT_ERROR((void)stored_graph(file), "up to layer 'huge'", "the 4 values of the file");
  EXPECT_ERROR((void)stored_names(file), "'secateur.names'");
}

TEST(ForeignWeights, NamesOfAFileMustCoverItsGraph) {
  const test::TemporaryFolder folder;
  Graph graph = with_input(1, 1, 2);
  graph.add("fc", "linear", {0}, {{"out_features", I{1}}});
  const std::vector<NamedTensor> tensors{{"a", {1, 2}, {1, 2}}, {"b", {1}, {3}}};
  const auto names_in = [&](const std::string& json) {
    write_safetensors(folder / "w", tensors, {{kGraphKey, graph_to_json(graph)}, {kNamesKey, json}});
    return stored_names(Safetensors::read(folder / "w"));
  };
  EXPECT_EQ(names_in(R"({"fc.weight":"a","fc.bias":"b"})").at("fc.bias"), "b");
  EXPECT_ERROR((void)names_in(R"({"fc.weight":"a"})"), "does not name the parameter 'fc.bias'");
  EXPECT_ERROR((void)names_in(R"({"fc.weight":7})"), "'fc.weight' of 'secateur.names' should be text");
  EXPECT_ERROR((void)names_in(R"([])"), "should be an object");
  EXPECT_ERROR((void)names_in(R"({"fc.weight":{"a":1}})"), "nested deeper");
}

}  // namespace
}  // namespace secateur
