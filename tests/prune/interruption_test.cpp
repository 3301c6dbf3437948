// Pruning that is interrupted between two steps of an epoch, whatever the epoch is for: saved there and taken
// up by another process, it ends with the same bits as undisturbed.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "pruning_run.h"

namespace secateur {
namespace {

using test::differing_paths;
using test::options_of_test;
using test::PruningRun;

struct Scenario {
  std::string name;
  std::function<void(PruneOptions&)> change;
  std::string event;  // that shows that what the scenario is about has happened
};

std::ostream& operator<<(std::ostream& out, const Scenario& scenario) { return out << scenario.name; }

class Interruption : public testing::TestWithParam<Scenario> {
 protected:
  [[nodiscard]] static PruneOptions options() {
    PruneOptions options = options_of_test();
    options.rounds = 2;
    options.train_epochs = 2;
    GetParam().change(options);
    return options;
  }
};

TEST_P(Interruption, LosesNothing) {
  PruningRun whole(options());
  whole.loop.run([] {});
  EXPECT_GT(whole.events.counts[GetParam().event], 0);
  StateTree expected;
  whole.save(expected);
  ASSERT_GE(whole.observer.steps, 20);

  // Places all over the run; an epoch has five steps.
  const std::int64_t stride = std::max<std::int64_t>(1, whole.observer.steps / 12);
  for (std::int64_t steps = 1; steps <= whole.observer.steps; steps += stride) {
    PruningRun stopped(options());
    stopped.observer.stop_after = steps;
    EXPECT_THROW(stopped.loop.run([] {}), Interrupted);
    EXPECT_TRUE(stopped.loop.within_epoch());
    StateTree saved;
    stopped.save(saved);

    PruningRun resumed(options());
    resumed.restore(saved);
    EXPECT_TRUE(resumed.loop.within_epoch());
    resumed.loop.run([] {});
    EXPECT_EQ(stopped.observer.steps + resumed.observer.steps, whole.observer.steps) << "lost steps";
    StateTree tree;
    resumed.save(tree);
    EXPECT_EQ(differing_paths(tree, expected), std::vector<std::string>{}) << "stopped after step " << steps;
  }
}

const Scenario kScenarios[] = {
    {"plain", [](PruneOptions&) {}, "removal"},
    {"fallback",
     [](PruneOptions& o) {
       o.train_epochs = 1;
       o.learning_rate = 0.3;  // too much: accuracy falls
       o.rate = 0.6;
       o.tau = 0;
       o.fallback.epochs = 2;
       o.fallback.max_halvings = 1;
     },
     "fallback_epoch"},
    {"soft_mask", [](PruneOptions& o) { o.mask_mode = MaskMode::soft; }, "mask"},
    {"asymptotic_mask", [](PruneOptions& o) { o.mask_mode = MaskMode::asymptotic; }, "mask"},
    {"search",
     [](PruneOptions& o) {
       o.rounds = 1;
       o.train_epochs = 1;
       o.search = {.name = "abc", .sources = 2, .cycles = 1, .epochs = 2};
     },
     "candidate"},
    {"search_in_a_budget",
     [](PruneOptions& o) {
       o.rounds = 1;
       o.train_epochs = 0;
       o.rate_policy = "eq18";
       o.width.mode = WidthMode::target;
       o.budget.fraction = 0.7;
       o.search = {.name = "abc", .sources = 2, .cycles = 1, .epochs = 1};
     },
     "candidate"},
    {"slimming",
     [](PruneOptions& o) {
       o.train_hook = "slimming";
       o.sparsity = 0.01;
     },
     "removal"},
    {"group_lasso",
     [](PruneOptions& o) {
       o.train_hook = "group_lasso";
       o.sparsity = 0.01;
     },
     "removal"},
    {"hbfp",
     [](PruneOptions& o) {
       o.train_hook = "hbfp";
       o.criterion = "hbfp";
       o.sparsity = 0.01;
     },
     "removal"},
    {"norm_history", [](PruneOptions& o) { o.criterion = "hbfp"; }, "removal"},
};

INSTANTIATE_TEST_SUITE_P(Pruning, Interruption, testing::ValuesIn(kScenarios),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace secateur
