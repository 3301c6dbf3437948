// Pruning that is interrupted between two steps of an epoch, whatever the epoch is for: saved there and taken
// up by another process, it ends with the same bits as undisturbed.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

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

// What programs wrote before a loop could stand in the middle of a candidate, of an epoch between two masks
// or of one with a hook: none of what says so.
StateTree as_of_older_programs(const StateTree& tree) {
  StateTree older;
  for (const auto& [path, value] : tree.entries()) {
    const bool later = path == "loop/within_epoch" || path.starts_with("loop/tried/") ||
                       (path.starts_with("loop/") && path.ends_with("/penalties"));
    if (!later) older.set(path, value);
  }
  return older;
}

// Whether they could stand where a state was saved.
bool was_known_to_older_programs(const StateTree& tree, const PruneOptions& options) {
  if (!tree.get<bool>("loop/within_epoch")) return !tree.contains("loop/tried/rates");
  const auto& phase = tree.get<std::string>("loop/phase");
  return phase == "finetune" || phase == "fallback" ||
         (phase == "train" && options.mask_mode == MaskMode::hard && options.train_hook == "none");
}

TEST_P(Interruption, GoesOnFromStatesOfOlderPrograms) {
  PruningRun whole(options());
  whole.loop.run([] {});
  StateTree expected;
  whole.save(expected);

  int between = 0;
  int within = 0;
  const auto go_on = [&](const StateTree& saved, int& count) {
    if (!was_known_to_older_programs(saved, options())) return;
    PruningRun resumed(options());
    resumed.restore(as_of_older_programs(saved));
    resumed.loop.run([] {});
    StateTree tree;
    resumed.save(tree);
    EXPECT_EQ(differing_paths(tree, expected), std::vector<std::string>{});
    ++count;
  };
  std::vector<StateTree> places;
  PruningRun watched(options());
  watched.loop.run([&] { watched.save(places.emplace_back()); });
  for (std::size_t i = 0; i < places.size(); i += 2) go_on(places[i], between);
  for (const std::int64_t steps :
       {whole.observer.steps / 5, whole.observer.steps / 2, whole.observer.steps}) {
    PruningRun stopped(options());
    stopped.observer.stop_after = steps;
    EXPECT_THROW(stopped.loop.run([] {}), Interrupted);
    StateTree saved;
    stopped.save(saved);
    go_on(saved, within);
  }
  EXPECT_GE(between, 3);
  EXPECT_GE(within, 1);
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
