#include "secateur/io/state_tree.h"

#include <gtest/gtest.h>

#include "io/temporary_folder.h"

namespace secateur {
namespace {

using Names = std::vector<std::string>;

StateTree example() {
  StateTree tree;
  tree.set("epoch", 3);
  tree.set("optimizer/rate", 0.1);
  tree.set("optimizer/momentum/conv1.weight", StoredTensor{DType::f32, {2}, std::vector<std::byte>(8)});
  tree.set("optimizer-name", "sgd");
  return tree;
}

TEST(StateTree, KeepsTheKindOfEachValue) {
  const StateTree tree = example();
  EXPECT_EQ(tree.get<std::int64_t>("epoch"), 3);
  EXPECT_EQ(tree.get<double>("optimizer/rate"), 0.1);
  EXPECT_EQ(tree.get<std::string>("optimizer-name"), "sgd");
  EXPECT_EQ(tree.get<StoredTensor>("optimizer/momentum/conv1.weight").shape, (Shape{2}));
  EXPECT_EQ(tree.get_or<std::int64_t>("round", 7), 7);
  EXPECT_EQ(tree.get_or<std::int64_t>("epoch", 7), 3);
  EXPECT_TRUE(tree.contains("epoch"));
  EXPECT_FALSE(tree.contains("optimizer"));
  EXPECT_EQ(tree.entries().size(), 4U);
}

TEST(StateTree, ListsChildrenByNameOnce) {
  StateTree tree = example();
  tree.set("optimizer/momentum/conv2.weight", 1);
  EXPECT_EQ(tree.children(""), (Names{"epoch", "optimizer", "optimizer-name"}));
  EXPECT_EQ(tree.children("optimizer"), (Names{"momentum", "rate"}));
  EXPECT_EQ(tree.children("optimizer/momentum"), (Names{"conv1.weight", "conv2.weight"}));
  EXPECT_EQ(tree.children("epoch"), Names{});
  EXPECT_EQ(tree.children("opt"), Names{});
}

TEST(StateTree, RefusesBadPaths) {
  StateTree tree = example();
  EXPECT_ERROR(tree.set("", 1), "empty");
  for (const char* path : {"/", "/a", "a/", "a//b"}) EXPECT_ERROR(tree.set(path, 1), path, "empty part");
  EXPECT_ERROR(tree.set("a/./b", 1), "'.'");
  EXPECT_ERROR(tree.set(std::string_view("a\0b", 3), 1), "NUL");
  EXPECT_ERROR(tree.set("epoch", 4), "epoch", "twice");
  EXPECT_ERROR(tree.set("epoch/next", 4), "'epoch'", "a value");
  EXPECT_ERROR(tree.set("optimizer/momentum", 4), "optimizer/momentum", "scope");
  EXPECT_EQ(tree, example());
}

TEST(StateTree, SaysWhatWasExpectedAndWhatIsThere) {
  const StateTree tree = example();
  EXPECT_ERROR(static_cast<void>(tree.get<double>("epoch")), "epoch", "expected a real number",
               "found an integer");
  EXPECT_ERROR(static_cast<void>(tree.get<StoredTensor>("optimizer/rate")), "expected a tensor",
               "a real number");
  EXPECT_ERROR(static_cast<void>(tree.get<std::string>("optimizer/momentum/conv1.weight")),
               "expected a string", "tensor f32 [2]");
  EXPECT_ERROR(static_cast<void>(tree.get_or<bool>("epoch", true)), "expected a boolean");
  EXPECT_ERROR(static_cast<void>(tree.at("optimiser/rate")), "optimiser/rate", "'optimizer/rate'");
  EXPECT_ERROR(static_cast<void>(tree.at("optimizer")), "scope", "momentum, rate");
  EXPECT_ERROR(static_cast<void>(StateTree().at("x")), "'x'", "empty");
}

TEST(StateScopes, WriteAndReadBelowTheirPlace) {
  StateTree tree;
  StateWriter root(tree);
  root.set("epoch", 1);
  StateWriter momentum = root.scope("optimizer").scope("momentum");
  momentum.set("conv1", 2.5);
  EXPECT_EQ(tree.get<double>("optimizer/momentum/conv1"), 2.5);

  const StateReader reader(tree);
  EXPECT_EQ(reader.get<std::int64_t>("epoch"), 1);
  EXPECT_EQ(reader.children(), (Names{"epoch", "optimizer"}));
  EXPECT_TRUE(reader.contains("epoch"));
  EXPECT_TRUE(reader.contains("optimizer"));
  EXPECT_FALSE(reader.contains("optim"));
  const StateReader below = reader.scope("optimizer").scope("momentum");
  EXPECT_EQ(below.get<double>("conv1"), 2.5);
  EXPECT_EQ(below.get_or<double>("conv2", 9.0), 9.0);
  EXPECT_EQ(std::get<double>(below.value("conv1")), 2.5);
  EXPECT_EQ(below.children(), Names{"conv1"});
  EXPECT_ERROR(static_cast<void>(below.get<double>("conv3")), "optimizer/momentum/conv3",
               "optimizer/momentum/conv1");
}

}  // namespace
}  // namespace secateur
