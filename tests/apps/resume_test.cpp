// Runs that are killed and go on: the same bits as undisturbed, with the options that the run was started
// with.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "apps/resumption.h"
#include "secateur/io/checkpoint.h"

namespace secateur {
namespace {

namespace fs = std::filesystem;

class Resume : public test::Resumption {};

const std::string kData = "--data synthetic --synthetic-train 250 --synthetic-test 50 --batch 32 ";
const std::string kTraining = "train --model resnet8 --validation 100 --learning-rate 0.05 " + kData;

TEST_F(Resume, TrainingGoesOnAsIfNothingHadHappened) {
  run(kTraining + "--epochs 4 --out " + path("whole"));
  run_until_checkpoint(kTraining + "--epochs 4 --out " + path("killed"), path("killed/last.h5"), 2);
  // Nothing but the folder: the checkpoint knows what the run was started with.
  run("train --resume --out " + path("killed"));
  expect_same_state("whole", "killed");
  for (const auto& file : fs::directory_iterator(path("killed"))) {
    EXPECT_NE(file.path().extension(), ".tmp") << "a half-written file was left";
  }
}

// Ctrl-C: the step ends, the run is saved in the middle of its epoch, and it says how to go on.
TEST_F(Resume, AnInterruptedRunSaysHowToGoOn) {
  run(kTraining + "--epochs 4 --out " + path("whole"));
  EXPECT_EQ(stop(SIGINT, kTraining + "--epochs 4 --out " + path("stopped"), path("stopped/last.h5"), 1), 130);
  const std::string how = std::string(test::kProgram) + " train --out " + path("stopped") + " --resume\n";
  EXPECT_NE(output().find(how), std::string::npos) << output();
  EXPECT_FALSE(fs::exists(path("stopped/model.h5")));
  EXPECT_NE(output().find(path("stopped/last.h5")), std::string::npos) << output();
  run("train --resume --out " + path("stopped"));
  expect_same_state("whole", "stopped");
}

// Rates and no budget: whatever the fallback makes of so short a training, the run ends with its work done.
TEST_F(Resume, PruningGoesOnInTheMiddleOfARound) {
  run(kTraining + "--epochs 1 --out " + path("base"));
  const std::string pruning =
      "prune --weights " + path("base/model.h5") + " " + kData +
      "--rounds 3 --width-mode per-round --rate 0.2 --round-to 1 --train-epochs 1 --finetune-epochs 2 "
      "--sample-images 32 --out ";
  run(pruning + path("whole"));
  for (const int checkpoints : {3, 8}) {
    const std::string killed = "killed" + std::to_string(checkpoints);
    run_until_checkpoint(pruning + path(killed), path(killed + "/last.h5"), checkpoints);
    run("prune --resume --out " + path(killed));
    SCOPED_TRACE("killed after checkpoint " + std::to_string(checkpoints));
    expect_same_state("whole", killed);
  }
}

// Averaged weights: the checkpoint holds them beside the others, the network that is saved is their average.
TEST_F(Resume, AveragedWeightsGoOn) {
  const std::string averaged = " --ema 0.9 ";
  run(kTraining + averaged + "--epochs 3 --out " + path("base"));
  run_until_checkpoint(kTraining + averaged + "--epochs 3 --out " + path("killed"), path("killed/last.h5"),
                       1);
  run("train --resume --out " + path("killed"));
  expect_same_state("base", "killed");
  const StateTree last = read_checkpoint(path("base/last.h5"));
  const StateTree saved = read_checkpoint(path("base/model.h5"));
  EXPECT_TRUE(last.at("model/averages/fc.weight") == saved.at("model/parameters/fc.weight"));
  EXPECT_FALSE(last.at("model/parameters/fc.weight") == saved.at("model/parameters/fc.weight"));
  EXPECT_FALSE(saved.contains("model/averages/fc.weight"));

  const std::string pruning =
      "prune --weights " + path("base/last.h5") + " " + kData + averaged +
      "--rounds 2 --budget 0.7 --fallback no --round-to 1 --finetune-epochs 1 --sample-images 32 --out ";
  run(pruning + path("whole"));
  run_until_checkpoint(pruning + path("cut"), path("cut/last.h5"), 3);
  run("prune --resume --out " + path("cut"));
  expect_same_state("whole", "cut");
}

// The teacher is part of the checkpoint: the run goes on where its file is gone.
TEST_F(Resume, DistillationGoesOnWithoutTheTeachersFile) {
  run(kTraining + "--epochs 1 --out " + path("base"));
  const std::string pruning =
      "prune --weights " + path("base/model.h5") + " " + kData +
      "--distill 0.5 --distill-temperature 3 --rounds 2 --budget 0.7 --fallback no --round-to 1 "
      "--finetune-epochs 1 --sample-images 32 --out ";
  run(pruning + path("whole"));
  run_until_checkpoint(pruning + path("cut"), path("cut/last.h5"), 3);
  fs::remove(path("base/model.h5"));
  run("prune --resume --out " + path("cut"));
  expect_same_state("whole", "cut");
  EXPECT_FALSE(read_checkpoint(path("whole/model.h5")).contains("teacher/parameters/fc.weight"));

  // Training needs one that is named.
  test::Process process(kTraining + "--epochs 1 --distill 0.5 --out " + path("untaught"), log());
  EXPECT_NE(process.wait(), 0);
  EXPECT_NE(output().find("--teacher FILE"), std::string::npos) << output();
  run(kTraining + "--epochs 1 --distill 0.5 --teacher " + path("whole/model.h5") + " --out " +
      path("taught"));
}

// What an interrupted demo says to go on with.
TEST_F(Resume, BothPartsOfADemoGoOnByThemselves) {
  const std::string demo =
      "demo --synthetic-train 250 --synthetic-test 50 --validation 100 --batch 32 --epochs 3 "
      "--rounds 2 --finetune-epochs 1 --sample-images 32 --out ";
  run(demo + path("whole"));
  run_until_checkpoint(demo + path("first"), path("first/base/last.h5"), 1);
  run("train --resume --out " + path("first/base"));
  expect_same_state("whole/base", "first/base");
  run_until_checkpoint(demo + path("second"), path("second/pruned/last.h5"), 2);
  run("prune --resume --out " + path("second/pruned"));
  expect_same_state("whole/pruned", "second/pruned");
}

TEST_F(Resume, AnOptionThatIsChangedIsNamed) {
  run(kTraining + "--epochs 1 --out " + path("run"));
  run("train --resume --epochs 2 --out " + path("run"));
  EXPECT_NE(output().find("train.epochs is 2 from here on; the run was started with 1"), std::string::npos)
      << output();
  // What a process left that was killed while it wrote a checkpoint goes, too.
  std::ofstream(path("run/.last.h5.4711.tmp")) << "half a checkpoint";
  run("train --resume --out " + path("run"));
  EXPECT_EQ(output().find("from here on"), std::string::npos) << output();
  EXPECT_FALSE(fs::exists(path("run/.last.h5.4711.tmp")));
}

}  // namespace
}  // namespace secateur
