// Experiments find the runs that they did, by an older version of the program too.
#include "experiments/run_place.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace secateur::experiments {
namespace {

namespace fs = std::filesystem;

Recipe recipe(const std::string& text) { return Recipe::from_text(text); }

const Recipe kDefaults = recipe("train.epochs = 200\ntrain.fuse = \"auto\"\ntrain.batch = 128\n");

TEST(SameRun, AnOptionThatWasAddedAtItsDefaultChangesNothing) {
  const Recipe stored = recipe("train.epochs = 8\ntrain.batch = 128\n");
  EXPECT_TRUE(
      same_run(stored, recipe("train.epochs = 8\ntrain.batch = 128\ntrain.fuse = \"auto\"\n"), kDefaults));
  EXPECT_FALSE(
      same_run(stored, recipe("train.epochs = 8\ntrain.batch = 128\ntrain.fuse = \"off\"\n"), kDefaults));
}

TEST(SameRun, WhatBothNameIsEqual) {
  const Recipe wanted = recipe("train.epochs = 200\ntrain.batch = 128\n");
  EXPECT_TRUE(same_run(wanted, wanted, kDefaults));
  // Stored by a version whose default was another.
  EXPECT_FALSE(same_run(recipe("train.epochs = 160\ntrain.batch = 128\n"), wanted, kDefaults));
}

TEST(SameRun, AnOptionThatThereIsNoMoreIsNotPassedOver) {
  const Recipe wanted = recipe("train.epochs = 8\n");
  EXPECT_FALSE(same_run(recipe("train.epochs = 8\ntrain.tricks = true\n"), wanted, kDefaults));
}

class PlaceOfRun : public ::testing::Test {
 protected:
  void SetUp() override { fs::remove_all(parent_); }
  void TearDown() override { fs::remove_all(parent_); }

  [[nodiscard]] fs::path place(const std::string& name, const std::string& text) const {
    return place_of_run(parent_, name, recipe(text), kDefaults);
  }
  void store(const fs::path& folder, const std::string& text) const {
    fs::create_directories(folder);
    std::ofstream(folder / "recipe.toml") << text;
  }

  fs::path parent_ = fs::temp_directory_path() / ("secateur-places-" + std::to_string(::getpid()));
};

TEST_F(PlaceOfRun, IsNewForEveryRecipeAndFoundAgain) {
  const fs::path one = place("L1-seed1", "train.epochs = 8\n");
  store(one, "train.epochs = 8\n");
  EXPECT_EQ(one.parent_path(), parent_);
  EXPECT_EQ(place("L1-seed1", "train.epochs = 8\n"), one);
  EXPECT_NE(place("L1-seed1", "train.epochs = 9\n"), one);
  EXPECT_NE(place("L1-seed2", "train.epochs = 8\n"), one);
  EXPECT_NE(place("L1-seed1-of-a", "train.epochs = 8\n"), one);
}

TEST_F(PlaceOfRun, IsThatOfAnOlderVersionsRun) {
  const fs::path older = parent_ / "L1-seed1-0badf00d";
  store(older, "train.epochs = 8\n");
  EXPECT_EQ(place("L1-seed1", "train.epochs = 8\ntrain.fuse = \"auto\"\n"), older);
  EXPECT_NE(place("L1-seed1", "train.epochs = 8\ntrain.fuse = \"off\"\n"), older);
}

}  // namespace
}  // namespace secateur::experiments
