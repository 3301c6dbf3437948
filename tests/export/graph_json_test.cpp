// Graphs as text: there and back, and text from strangers.
#include "secateur/export/graph_json.h"

#include <gtest/gtest.h>

#include "io/temporary_folder.h"
#include "secateur/models/models.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"

namespace secateur {
namespace {

TEST(GraphJson, EveryNetworkComesBack) {
  for (const auto& [name, description] : models::list()) {
    const Graph graph = models::build(name);
    EXPECT_EQ(graph_from_json(graph_to_json(graph), "text"), graph) << name;
  }
  for (const Graph& graph :
       {selftest::option_a_resnet(), selftest::concat_network(), selftest::grouped_network(),
        selftest::flat_network(), selftest::small_vgg(6, 0.25)}) {
    EXPECT_EQ(graph_from_json(graph_to_json(graph), "text"), graph);
  }
}

TEST(GraphJson, ReadsWhatIsDocumented) {
  const Graph graph = graph_from_json(
      R"({"format":"secateur-graph","version":1,"output":1,"nodes":[
          {"name":"image","op":"input","inputs":[],"attributes":{"height":4,"width":5,"channels":3}},
          {"name":"p","op":"pad_channels","inputs":[0],"attributes":{"table":[-1,2]}},
          {"name":"d","op":"dropout","inputs":[1],"attributes":{"rate":0.25}}]})",
      "text");
  EXPECT_EQ(graph.size(), 3);
  EXPECT_EQ(graph.output(), 1);
  EXPECT_EQ(graph.shape(1), (MapShape{4, 5, 2}));
  EXPECT_EQ(graph.node(1).attributes.integers("table"), (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(graph.node(2).attributes.real("rate"), 0.25);
}

TEST(GraphJson, RefusesTextThatIsNoGraph) {
  const std::string head = R"({"format":"secateur-graph","version":1,"output":0,"nodes":[)";
  const std::string image =
      R"({"name":"image","op":"input","inputs":[],"attributes":{"height":4,"width":4,"channels":3}})";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{", "not valid JSON"},
      {"[]", "has no 'format'"},
      {R"({"format":"onnx"})", "no graph of this program"},
      {R"({"format":"secateur-graph","version":2})", "version 2"},
      {head + "]}", "no nodes"},
      {head + "7]}", "node 0 has no 'name'"},
      {head + R"({"name":"a","op":"explode","inputs":[],"attributes":{}}]})", "explode"},
      {head + R"({"name":"a","op":"relu","inputs":[0],"attributes":{}}]})", "reads node 0"},
      {head + R"({"name":"a","op":"relu","inputs":[-1],"attributes":{}}]})", "reads node -1"},
      {head + R"({"name":"a","op":"relu","inputs":[0.5],"attributes":{}}]})", "integer"},
      {head + R"({"name":"a","op":"relu","inputs":"b","attributes":{}}]})", "should be array"},
      {head + image + "," + image + "]}", "two nodes are called 'image'"},
      {head + image + R"(,{"name":"b","op":"relu","inputs":[0],"attributes":{"x":{"y":1}}}]})",
       "'x' of node 1"},
      {head +
           R"({"name":"image","op":"input","inputs":[],"attributes":{"height":-4,"width":4,"channels":3}}]})",
       "-4"},
      {head +
           R"({"name":"image","op":"input","inputs":[],"attributes":{"height":4611686018427387904,"width":4,"channels":3}}]})",
       "layer 'image'"},
      {head +
           R"({"name":"image","op":"input","inputs":[],"attributes":{"height":18446744073709551615,"width":4,"channels":3}}]})",
       "'height' of node 0"},
      {R"({"format":"secateur-graph","version":1,"output":1,"nodes":[)" + image + "]}", "output is node 1"},
  };
  for (const auto& [text, part] : cases) {
    const std::string message = test::error_of([&, &json = text] { (void)graph_from_json(json, "a.file"); });
    EXPECT_TRUE(message.starts_with("'a.file': ")) << text << "\n" << message;
    EXPECT_NE(message.find(part), std::string::npos) << part << " not in: " << message;
  }
}

}  // namespace
}  // namespace secateur
