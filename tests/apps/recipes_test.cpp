// The recipes that come with the program.
#include <gtest/gtest.h>

#include <filesystem>

#include "secateur/io/recipe.h"
#include "secateur/run_options.h"
#include "test_paths.h"

namespace secateur::app {
namespace {

RunOptions options_of(const std::filesystem::path& file) {
  RunOptions options;
  OptionList list(options.run, options.model, options.data, options.train, options.prune);
  list.apply(Recipe::from_file(file));
  return options;
}

const std::filesystem::path kRecipes = std::filesystem::path(test::kSourceDir) / "apps/experiments/recipes";

TEST(Recipes, EveryOneIsReadByTheProgramThatItComesWith) {
  int read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kRecipes)) {
    ASSERT_EQ(entry.path().extension(), ".toml");
    EXPECT_NO_THROW((void)options_of(entry.path())) << entry.path();
    ++read;
  }
  EXPECT_GE(read, 2);
}

// Section 4.1 and Algorithm 1 of the paper.
TEST(Recipes, PaperIsThePapers) {
  const RunOptions o = options_of(kRecipes / "paper.toml");
  EXPECT_EQ(o.data.validation, 0);
  EXPECT_EQ(o.data.steer_by, SteerBy::test);
  EXPECT_EQ(o.train.epochs, 200);
  EXPECT_EQ(o.train.batch, 128);
  EXPECT_EQ(o.train.learning_rate, 0.1);
  EXPECT_EQ(o.train.schedule, "paper");
  EXPECT_EQ(o.train.momentum, 0.9);
  EXPECT_EQ(o.train.weight_decay, 5e-4);
  EXPECT_FALSE(o.train.nesterov);
  EXPECT_EQ(o.prune.rounds, 15);
  EXPECT_EQ(o.prune.train_epochs, 1);
  EXPECT_EQ(o.prune.finetune_epochs, 10);
  EXPECT_EQ(o.prune.lr_schedule, "paper");
  EXPECT_EQ(o.prune.learning_rate, 0.1);
  EXPECT_EQ(o.prune.rate, 0.3);
  EXPECT_EQ(o.prune.controller.alpha_start, 0.8);
  EXPECT_EQ(o.prune.controller.alpha_end, 0.2);
  EXPECT_EQ(o.prune.controller.beta_start, 0.3);
  EXPECT_EQ(o.prune.controller.beta_end, 0.7);
  EXPECT_EQ(o.prune.controller.gamma, 0.05);
  EXPECT_EQ(o.prune.width.round_to, 1);
  EXPECT_TRUE(o.prune.fallback.enabled);
}

// What steers is not what the result is measured on.
TEST(Recipes, DefaultKeepsTheTestImagesOut) {
  const RunOptions o = options_of(kRecipes / "default.toml");
  EXPECT_EQ(o.data.validation, 5000);
  EXPECT_EQ(o.data.steer_by, SteerBy::validation);
  EXPECT_LT(o.prune.learning_rate, o.train.learning_rate);
}

}  // namespace
}  // namespace secateur::app
