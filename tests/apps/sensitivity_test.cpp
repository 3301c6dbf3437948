#include "experiments/sensitivity.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "secateur/io/recipe.h"
#include "test_paths.h"

namespace secateur::experiments {
namespace {

TEST(Sensitivity, RatesEndBeforeTheFirstLossThatIsTooLarge) {
  const SensitivityTable table{
      .whole = 0.9,
      .fractions = {0.1, 0.2, 0.3},
      .layers = {{"a", 16, {0.9, 0.885, 0.5}},
                 {"b", 16, {0.6, 0.9, 0.9}},  // what comes back by chance counts for nothing
                 {"c", 16, {0.91, 0.89, 0.881}}}};
  EXPECT_EQ(tolerated_rates(table, 0.02), (std::vector<std::string>{"a=0.2", "c=0.3"}));
  EXPECT_TRUE(tolerated_rates(table, -1).empty());
  // Every point of every curve: what is lost, less than nothing where it gained.
  const std::vector<std::string> curves =
      contributions({.whole = 0.75, .fractions = {0.25, 0.5}, .layers = {{"a", 16, {0.5, 1.0}}}});
  EXPECT_EQ(curves, (std::vector<std::string>{"a=0.25@0.25", "a=0.5@-0.25"}));
}

// The command on a small network; its recipe is one that prune takes; a second call measures nothing anew.
TEST(Sensitivity, TheCommandLeavesRatesForPruning) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("secateur-sensitivity" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string data =
      " --synthetic-train 160 --synthetic-test 50 --validation 60 --batch 32 --eval-batch 60 ";
  const auto run = [&](const std::string& words) {
    const std::string command =
        std::string(test::kProgram) + " " + words + " >> " + (folder / "log").string() + " 2>&1";
    return std::system(command.c_str());  // NOLINT(cert-env33-c): the command is ours
  };
  ASSERT_EQ(run("train --model resnet8 --epochs 1 --out " + (folder / "base").string() + data), 0);
  const std::string measure =
      "sensitivity " + (folder / "base/model.h5").string() +
      " --fractions 0.25 0.5 --tolerance 1 --sample-images 16 --sample-batch 16 --out " +
      (folder / "out").string() + data;
  ASSERT_EQ(run(measure), 0);
  std::ifstream stream(folder / "out/sensitivity.json");
  const nlohmann::json json = nlohmann::json::parse(stream);
  EXPECT_EQ(json.at("layers").size(), 6U);
  const Recipe recipe = Recipe::from_file(folder / "out/rates.toml");
  EXPECT_EQ(std::get<std::vector<std::string>>(recipe.at("prune.rate-table")).size(), 6U);
  const auto written = std::filesystem::last_write_time(folder / "out/measured.jsonl");
  ASSERT_EQ(run(measure), 0);
  EXPECT_EQ(std::filesystem::last_write_time(folder / "out/measured.jsonl"), written);
  EXPECT_EQ(
      run("prune --weights " + (folder / "base/model.h5").string() + " --recipe " +
          (folder / "out/rates.toml").string() + " --dry-run --sample-images 16 --sample-batch 16 --out " +
          (folder / "pruned").string() + data),
      0);
  EXPECT_EQ(run("prune --weights " + (folder / "base/model.h5").string() + " --recipe " +
                (folder / "out/cie.toml").string() +
                " --dry-run --sample-images 16 --sample-batch 16 --out " + (folder / "cie").string() + data),
            0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace secateur::experiments
