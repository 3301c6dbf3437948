// The program as its users run it: words, files, exit codes and messages.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/program_fixture.h"

namespace secateur {
namespace {

using test::Outcome;

class Program : public test::ProgramTest {
 protected:
  [[nodiscard]] Outcome train(const std::string& out, const std::string& more = "--validation 100") const {
    return run(
        "train --model resnet8 --data synthetic --synthetic-train 400 --synthetic-test 100 --batch 32 "
        "--epochs 1 --learning-rate 0.05 --out " +
        path(out) + " " + more);
  }
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

TEST_F(Program, APrecisionThatTheProcessorHasNotIsRefused) {
  const std::string train = "train --model resnet8 --data synthetic --epochs 1 --precision ";
  const Outcome old = run(train + "bf16 --out " + path("bf16"), "export ONEDNN_MAX_CPU_ISA=AVX2;");
  EXPECT_EQ(old.code, 1);
  EXPECT_TRUE(old.says("no instructions for bf16")) << old.text;
  const Outcome half = run(train + "fp16 --out " + path("fp16"));
  EXPECT_EQ(half.code, 1);
  EXPECT_TRUE(half.says("the CPU computes in fp32 or bf16, fp16 was asked for")) << half.text;
}

TEST_F(Program, MistakesAreNamedWithTheNearestThatThereIs) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> mistakes{
      {"trian", {"no word 'trian'", "did you mean 'train'?"}},
      {"data fetsh", {"secateur data has no word 'fetsh'", "did you mean 'fetch'?"}},
      {"data", {"secateur data takes one of these words: fetch, info, pack, verify"}},
      {"train --epoch 3", {"secateur train has no option '--epoch'", "did you mean '--epochs'?"}},
      {"bench infer --budgte 0.5", {"secateur bench infer has no option '--budgte'", "'--budget'"}},
      {"eval", {"secateur eval", "weights is required", "secateur eval --help"}},
      {"", {"secateur takes one of these words", "train"}},
  };
  for (const auto& [arguments, parts] : mistakes) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    for (const std::string& part : parts) EXPECT_TRUE(outcome.says(part)) << part << "\n" << outcome.text;
  }
  const Outcome value = run("train --epochs 0 --out " + path("x"));
  EXPECT_EQ(value.code, 1);
  EXPECT_TRUE(value.says("epochs")) << value.text;
  const Outcome file = run("eval " + path("none.h5"));
  EXPECT_EQ(file.code, 1);
  EXPECT_TRUE(file.says("none.h5")) << file.text;
  const Outcome set = run("data fetch cifar11");
  EXPECT_EQ(set.code, 1);
  EXPECT_TRUE(set.says("did you mean 'cifar10'?")) << set.text;
}

// Whatever its accuracies are: no round is taken back that would leave the budget unmet.
TEST_F(Program, ADemoEndsWithAPrunedNetwork) {
  const Outcome demo =
      run("demo --synthetic-train 250 --synthetic-test 50 --validation 100 --batch 32 --epochs 1 "
          "--rounds 2 --finetune-epochs 1 --sample-images 32 --tau 0 --seed 7 --out " +
          path("demo"));
  EXPECT_EQ(demo.code, 0) << demo.text;
  EXPECT_TRUE(demo.says("allowed (met)") && !demo.says("fallback of round")) << demo.text;
}

// Commands in hints and examples can be copied: they spell the program as it was called.
TEST_F(Program, ExamplesSpellTheProgramAsItWasCalled) {
  EXPECT_TRUE(
      run("train --help").says("\n  " + std::string(test::kProgram) + " train --resume --out runs/r20\n"));
  const Outcome launched = run("train --help", "SECATEUR_CALLED_AS=./secateur");
  EXPECT_TRUE(launched.says("Usage: ./secateur train")) << launched.text;
  EXPECT_TRUE(launched.says("\n  ./secateur train --resume --out runs/r20\n")) << launched.text;
}

TEST_F(Program, CheckReadsACommandLineAndDoesNothing) {
  const std::string training = "train --epochs 3 --out " + path("run");
  const Outcome good = run("--check " + training);
  EXPECT_EQ(good.code, 0) << good.text;
  EXPECT_EQ(good.text, "");
  EXPECT_FALSE(std::filesystem::exists(path("run")));
  EXPECT_EQ(run("--check " + training + " --schedule steep").code, 1);
  EXPECT_EQ(run("--check " + training + " --wram-up 3").code, 2);
  std::ofstream(path("recipe.toml")) << "[train]\nepoch = 3\n";
  const Outcome recipe = run("--check train --recipe " + path("recipe.toml"));
  EXPECT_EQ(recipe.code, 1);
  EXPECT_TRUE(recipe.says("train.epochs")) << recipe.text;
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
