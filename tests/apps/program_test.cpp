// The program as its users run it: words, files, exit codes and messages.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "test_paths.h"

namespace secateur {
namespace {

struct Outcome {
  int code = -1;
  std::string text;  // both outputs
};

class Program : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("secateur-program-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  [[nodiscard]] Outcome run(const std::string& arguments, const std::string& environment = "") const {
    const std::string log = path("output.txt");
    const std::string command =
        environment + " " + std::string(test::kProgram) + " " + arguments + " > " + log + " 2>&1";
    const int status =
        std::system(command.c_str());  // NOLINT(cert-env33-c): the shell redirects, arguments are ours
    std::ifstream file(log);
    std::ostringstream text;
    text << file.rdbuf();
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text.str()};
  }

  [[nodiscard]] Outcome train(const std::string& out, const std::string& more = "--validation 100") const {
    return run(
        "train --model resnet8 --data synthetic --synthetic-train 400 --synthetic-test 100 --batch 32 "
        "--epochs 1 --learning-rate 0.05 --out " +
        path(out) + " " + more);
  }

  std::filesystem::path folder_;
};

TEST_F(Program, TrainsPrunesAndVerifies) {
  const Outcome trained = train("base");
  ASSERT_EQ(trained.code, 0) << trained.text;
  for (const char* file : {"model.h5", "last.h5", "run.jsonl", "recipe.toml", "report.html"}) {
    EXPECT_TRUE(std::filesystem::exists(path("base") + "/" + file)) << file;
  }
  const std::string data = "--data synthetic --synthetic-train 400 --synthetic-test 100 ";
  const Outcome pruned = run("prune --weights " + path("base/model.h5") + " " + data +
                             "--budget 0.6 --rounds 2 --round-to 1 --train-epochs 0 --finetune-epochs 1 "
                             "--sample-images 32 --fallback no --out " +
                             path("pruned"));
  ASSERT_EQ(pruned.code, 0) << pruned.text;
  EXPECT_NE(pruned.text.find("(met)"), std::string::npos) << pruned.text;

  const Outcome verified =
      run("inspect --verify --base " + path("base/model.h5") + " " + path("pruned/model.h5") + " --json");
  EXPECT_EQ(verified.code, 0) << verified.text;
  EXPECT_NE(verified.text.find("\"equal\": true"), std::string::npos) << verified.text;

  const Outcome evaluated = run("eval " + path("pruned/model.h5") + " " + data);
  EXPECT_EQ(evaluated.code, 0) << evaluated.text;
}

TEST_F(Program, ARunIsNotOverwritten) {
  ASSERT_EQ(train("base").code, 0);
  const Outcome again = train("base");
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.text.find("--resume"), std::string::npos) << again.text;
}

TEST_F(Program, AnImpossibleBudgetIsRefusedBeforehand) {
  ASSERT_EQ(train("base").code, 0);
  const Outcome refused = run(
      "prune --weights " + path("base/model.h5") +
      " --data synthetic --synthetic-train 400 --synthetic-test 100 --budget 0.0001 --out " + path("pruned"));
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.text.find("error:"), std::string::npos) << refused.text;
}

// A base that was trained on every image leaves none to steer by, until the user says which may serve; the
// report says it too.
TEST_F(Program, WhatSteersIsChosenAndSaid) {
  ASSERT_EQ(train("base", "--validation 0").code, 0);
  const auto prune = [&](const std::string& more, const std::string& out) {
    return run("prune --weights " + path("base/model.h5") +
               " --data synthetic --synthetic-train 400 --synthetic-test 100 --budget 0.7 --rounds 1 "
               "--train-epochs 0 --finetune-epochs 0 --sample-images 32 --fallback no --out " +
               path(out) + " " + more);
  };
  const auto report = [&](const std::string& out) {
    std::ifstream file(path(out + "/report.html"));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  };
  const Outcome refused = prune("", "refused");
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.text.find("--steer-by test"), std::string::npos) << refused.text;

  const Outcome seen = prune("--steer-by seen --validation 50", "seen");
  EXPECT_EQ(seen.code, 0) << seen.text;
  EXPECT_NE(seen.text.find("steered by 50 images"), std::string::npos) << seen.text;
  EXPECT_NE(report("seen").find("was trained on (--steer-by seen)"), std::string::npos);

  const Outcome tested = prune("--steer-by test", "tested");
  EXPECT_EQ(tested.code, 0) << tested.text;
  EXPECT_NE(tested.text.find("steered by the 100 test images"), std::string::npos) << tested.text;
  EXPECT_NE(report("tested").find("no independent measurement"), std::string::npos);
}

TEST_F(Program, ADryRunPrintsThePlanAndLeavesNothing) {
  ASSERT_EQ(train("base").code, 0);
  const Outcome planned = run("prune --weights " + path("base/model.h5") +
                              " --data synthetic --synthetic-train 400 --synthetic-test 100 --budget 0.5 "
                              "--sample-images 32 --dry-run --out " +
                              path("pruned"));
  EXPECT_EQ(planned.code, 0) << planned.text;
  EXPECT_NE(planned.text.find("layer3.0.conv1"), std::string::npos) << planned.text;
  EXPECT_FALSE(std::filesystem::exists(path("pruned")));
}

TEST_F(Program, DataIsLookedForWhereTheEnvironmentSays) {
  const Outcome named = run("data info --data cifar10", "SECATEUR_DATA=" + path("nowhere"));
  EXPECT_EQ(named.code, 1);
  EXPECT_NE(named.text.find(path("nowhere")), std::string::npos) << named.text;
  const Outcome unnamed = run("data info --data cifar10", "SECATEUR_DATA=");
  EXPECT_EQ(unnamed.code, 1);
  EXPECT_NE(unnamed.text.find("--data-dir"), std::string::npos) << unnamed.text;
}

TEST_F(Program, ScoringIsTimedAgainstAForwardPass) {
  const Outcome timed =
      run("bench score --model resnet8 --images 9 --batch 4 --runs 2 --json " + path("s.json"));
  ASSERT_EQ(timed.code, 0) << timed.text;
  std::ifstream file(path("s.json"));
  const nlohmann::json report = nlohmann::json::parse(file);
  EXPECT_EQ(report.at("images"), 8);  // whole batches
  EXPECT_EQ(report.at("forward_seconds").size(), 2U);
  EXPECT_GT(report.at("ratio_of_medians"), 0.0);
  EXPECT_EQ(run("bench score --model resnet8 --runs 0").code, 1);
}

TEST_F(Program, MistakesAreNamed) {
  EXPECT_NE(run("trian").code, 0);
  const Outcome flag = run("train --epoch 3");
  EXPECT_NE(flag.code, 0);
  EXPECT_NE(flag.text.find("--epochs"), std::string::npos) << flag.text;
  const Outcome value = run("train --epochs 0 --out " + path("x"));
  EXPECT_EQ(value.code, 1);
  EXPECT_NE(value.text.find("epochs"), std::string::npos) << value.text;
  const Outcome file = run("eval " + path("none.h5"));
  EXPECT_EQ(file.code, 1);
  EXPECT_NE(file.text.find("none.h5"), std::string::npos) << file.text;
}

TEST_F(Program, InspectShowsANetwork) {
  const Outcome shown = run("inspect resnet20");
  EXPECT_EQ(shown.code, 0);
  EXPECT_NE(shown.text.find("272,474"), std::string::npos) << shown.text;
}

TEST_F(Program, DoctorAndVersionAnswer) {
  EXPECT_EQ(run("doctor").code, 0);
  EXPECT_EQ(run("version").code, 0);
}

}  // namespace
}  // namespace secateur
