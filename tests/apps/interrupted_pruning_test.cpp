// Ctrl-C in the middle of an epoch of pruning, to the program itself: it says how to go on, and what goes on
// ends with the same bits as undisturbed - in a search, between two soft masks, with a training hook.
#include <chrono>
#include <csignal>
#include <ostream>
#include <string>

#include "apps/resumption.h"
#include "secateur/io/checkpoint.h"

namespace secateur {
namespace {

struct Method {
  std::string name;
  std::string options;
  std::string phase;  // that is to be interrupted
};

std::ostream& operator<<(std::ostream& out, const Method& method) { return out << method.name; }

class InterruptedPruning : public test::Resumption, public testing::WithParamInterface<Method> {
 protected:
  [[nodiscard]] std::string pruning() const {
    return "prune --weights " + path("base/model.h5") + kData +
           "--rounds 1 --rate 0.3 --round-to 1 --finetune-epochs 1 --sample-images 16 " + GetParam().options;
  }

  // The run, stopped within an epoch of the phase that follows its second checkpoint, the first after the
  // measurement it begins with. How long an epoch takes is not known: it is looked for by twice the time
  // after each miss.
  void interrupt(const std::string& run) const {
    for (std::chrono::milliseconds later{10}; later < std::chrono::seconds(20); later *= 2) {
      const int code = stop(SIGINT, pruning() + " --out " + path(run), path(run + "/last.h5"), 2, later);
      ASSERT_EQ(code, 130) << output();
      const StateTree tree = read_checkpoint(path(run + "/last.h5"));
      if (tree.get<bool>("loop/within_epoch") && tree.get<std::string>("loop/phase") == GetParam().phase) {
        EXPECT_GT(tree.get<std::int64_t>("trainer/within_epoch/steps"), 0);
        return;
      }
      std::filesystem::remove_all(path(run));
    }
    FAIL() << "no signal came within an epoch of " << GetParam().phase;
  }

  static inline const std::string kData =
      " --data synthetic --synthetic-train 220 --synthetic-test 20 --validation 60 --batch 8 ";
};

TEST_P(InterruptedPruning, GoesOnWithTheSameBits) {
  run("train --model resnet8 --epochs 1 --out " + path("base") + kData);
  run(pruning() + " --out " + path("whole"));
  interrupt("stopped");
  const std::string how = std::string(test::kProgram) + " prune --out " + path("stopped") + " --resume\n";
  EXPECT_NE(output().find("Go on with: " + how), std::string::npos) << output();
  EXPECT_FALSE(std::filesystem::exists(path("stopped/model.h5")));
  run("prune --resume --out " + path("stopped"));
  expect_same_state("whole", "stopped");
}

const Method kMethods[] = {
    {"search",
     "--train-epochs 0 --search abc --search-sources 2 --search-cycles 1 --search-epochs 1 --search-patience "
     "1",
     "search"},
    {"soft_mask", "--train-epochs 2 --mask-mode soft --criterion l2", "train"},
    {"slimming", "--train-epochs 2 --train-hook slimming --sparsity 0.01 --criterion bn_scale", "train"},
};

INSTANTIATE_TEST_SUITE_P(Methods, InterruptedPruning, testing::ValuesIn(kMethods),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace secateur
