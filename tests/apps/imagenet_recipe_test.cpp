// The recipes for ImageNet say what they are meant to, and run, at the size of a test.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "data/image_fixtures.h"
#include "secateur/io/checkpoint.h"
#include "secateur/io/recipe.h"
#include "secateur/run_options.h"
#include "test_paths.h"

namespace secateur {
namespace {

namespace fs = std::filesystem;

fs::path recipe_path(const std::string& name) {
  return fs::path(test::kSourceDir) / "apps" / "experiments" / "recipes" / name;
}

// Unknown keys are refused.
app::RunOptions options_of(const std::string& name) {
  app::RunOptions o;
  OptionList list(o.run, o.model, o.data, o.train, o.prune);
  list.apply(Recipe::from_file(recipe_path(name)), UnknownKeys::refuse);
  return o;
}

TEST(ImageNetRecipe, HasWhatARecipeOfThe2020sHas) {
  const app::RunOptions o = options_of("imagenet-resnet50.toml");
  EXPECT_EQ(o.model.name, "resnet50");
  EXPECT_EQ(o.data.image_size, 224);
  EXPECT_EQ(o.train.schedule, "cosine");
  EXPECT_GT(o.train.warmup_epochs, 0);
  EXPECT_GT(o.train.label_smoothing, 0);
  EXPECT_GT(o.train.ema, 0.999);
  EXPECT_GT(o.train.resize_from, 0);
  EXPECT_LT(o.train.resize_until_epoch, o.train.epochs);
  EXPECT_FALSE(o.train.decay_norm_and_bias);
}

TEST(ImageNetRecipe, FineTunesByTheUnprunedNetworksScores) {
  const app::RunOptions o = options_of("imagenet-resnet50-prune.toml");
  EXPECT_GT(o.train.distill, 0);
  EXPECT_TRUE(o.train.teacher.empty());
  EXPECT_GT(o.train.ema, 0.999);
  EXPECT_NEAR(o.prune.budget.fraction, 0.482, 1e-12);
}

TEST(ImageNetRecipe, ThePapersHasNoneOfIt) {
  const app::RunOptions o = options_of("imagenet-resnet50-paper.toml");
  EXPECT_EQ(o.model.name, "resnet50");
  EXPECT_EQ(o.train.schedule, "paper");
  EXPECT_EQ(o.train.weight_decay, 5e-4);
  EXPECT_EQ(o.train.ema, 0);
  EXPECT_EQ(o.train.label_smoothing, 0);
  EXPECT_EQ(o.train.resize_from, 0);
}

class ImageNetRecipeRuns : public ::testing::Test {
 public:
  ImageNetRecipeRuns() {
    folder_ = fs::temp_directory_path() / ("secateur-imagenet-recipe-" + std::to_string(::getpid()));
    data::make_image_folder(folder_ / "images");
  }
  ~ImageNetRecipeRuns() override { fs::remove_all(folder_); }
  ImageNetRecipeRuns(const ImageNetRecipeRuns&) = delete;
  ImageNetRecipeRuns& operator=(const ImageNetRecipeRuns&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void run(const std::string& arguments) {
    const std::string command =
        fmt::format("OMP_WAIT_POLICY=passive {} {} > {} 2>&1", test::kProgram, arguments, path("output.txt"));
    const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): the command is ours
    std::ifstream file(path("output.txt"));
    std::ostringstream text;
    text << file.rdbuf();
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << arguments << "\n" << text.str();
  }

 private:
  fs::path folder_;
};

// Twelve images of two classes, 16 pixels and then 32: trained, then pruned with a teacher, all by the
// recipes.
TEST_F(ImageNetRecipeRuns, AtTheSizeOfATest) {
  const std::string small = " --data-dir " + path("images") +
                            " --image-size 32 --validation 4 --batch 4 --eval-batch 4 --threads 2 ";
  const auto recipe = [](const char* name) { return " --recipe " + recipe_path(name).string() + " "; };
  run("train --model resnet18 --set train.learning-rate=0.01 --epochs 3 --warmup-epochs 1 --resize-from 16 "
      "--resize-until-epoch 2 "
      "--resize-step 8" +
      recipe("imagenet-resnet50.toml") + small + "--out " + path("base"));
  EXPECT_TRUE(read_checkpoint(path("base/last.h5")).contains("model/averages/fc.weight"));
  run("prune --weights " + path("base/model.h5") + recipe("imagenet-resnet50-prune.toml") + small +
      "--rounds 1 --set prune.learning-rate=0.001 --finetune-epochs 1 --sample-images 4 --sample-batch 4 "
      "--out " +
      path("pruned"));
  EXPECT_TRUE(read_checkpoint(path("pruned/last.h5")).contains("teacher/parameters/fc.weight"));
  run("eval " + path("pruned/model.h5") + " --data imagefolder --image-size 32 --data-dir " + path("images"));
  run("train --model resnet18 --set train.learning-rate=0.01 --epochs 1" +
      recipe("imagenet-resnet50-paper.toml") + small + "--out " + path("paper"));
}

}  // namespace
}  // namespace secateur
