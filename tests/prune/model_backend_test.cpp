// The loop on a real, small network: it prunes, meets a budget, and resumes bit for bit.
#include "secateur/prune/model_backend.h"

#include <gtest/gtest.h>

#include "pruning_run.h"

namespace secateur {
namespace {

using test::differing_paths;
using test::options_of_test;
using test::PruningRun;

TEST(ModelBackend, PrunesARealNetwork) {
  PruningRun run(options_of_test());
  const LoopResult result = run.loop.run([] {});
  EXPECT_LT(result.cost.macs, result.cost_start.macs);
  EXPECT_EQ(result.cost.macs, cost_of(run.whole.model.graph()).macs);
  EXPECT_EQ(run.events.counts["removal"], 3);
  EXPECT_EQ(run.trainer.epoch(), 6);
  const RoundRecord& last = run.loop.history().back();
  const auto spaces = run.backend.spaces();
  for (std::size_t l = 0; l < spaces.size(); ++l) EXPECT_EQ(spaces[l].width, last.widths[l]);
}

TEST(ModelBackend, MeetsABudget) {
  for (const BudgetMeasure measure : {BudgetMeasure::flops, BudgetMeasure::params}) {
    PruneOptions options = options_of_test();
    options.width.mode = WidthMode::target;
    options.budget = {measure, 0.5};
    options.rate_policy = "eq18";
    PruningRun run(options, selftest::small_resnet(12));
    const LoopResult result = run.loop.run([] {});
    ASSERT_TRUE(result.budget.has_value());
    EXPECT_TRUE(result.budget->met);
    EXPECT_GT(result.budget->cost, 0.9 * result.budget->budget) << "far below the budget";
  }
}

TEST(ModelBackend, EveryCriterionAndSelectionRuns) {
  for (const char* criterion :
       {"unified", "l1", "l2", "correlation", "bn_scale", "taylor", "random", "group_norm", "snip", "obd",
        "corrnet", "prf", "hbfp", "lfpc", "filter_sketch"}) {
    for (const SelectionMode selection : {SelectionMode::once, SelectionMode::greedy}) {
      // Greedy with a criterion that reads no maps needs no pairs.
      PruneOptions options = options_of_test();
      options.rounds = 1;
      options.criterion = criterion;
      options.selection = selection;
      PruningRun run(options, selftest::option_a_resnet());
      run.loop.run([] {});
      EXPECT_EQ(run.events.counts["removal"], 1) << criterion;
    }
  }
}

// The control that asks what the weights are worth: those of the smaller network are what its seed draws.
TEST(ModelBackend, WeightsAreDrawnAnewAfterARemoval) {
  PruneOptions options = options_of_test();
  options.rounds = 1;
  options.train_epochs = 1;
  options.finetune_epochs = 0;
  options.reinitialize = true;
  PruningRun run(options);
  run.loop.run([] {});
  ASSERT_EQ(run.events.counts["removal"], 1);
  selftest::WholeModel fresh(run.whole.model.graph(), DeviceKind::cpu, options.seed);
  StateTree expected;
  fresh.model.save(StateWriter(expected), *fresh.stream);
  EXPECT_EQ(differing_paths(run.backend.snapshot(), expected), std::vector<std::string>{});
}

TEST(ModelBackend, RollbackRestoresNetworkWeightsAndMomentum) {
  PruningRun run(options_of_test());
  (void)run.trainer.run_epoch({.factor = find_lr_schedule("constant")}, 0, run.observer);
  const StateTree before = run.backend.snapshot();
  const auto plan = plan_round(options_of_test(), WidthTracker({}, 3, run.backend.spaces()),
                               run.backend.score({.round = 1}), 1, 0, {});
  run.backend.apply(plan.plan);
  (void)run.trainer.run_epoch({.factor = find_lr_schedule("constant")}, 0, run.observer);
  EXPECT_NE(run.backend.snapshot(), before);
  run.backend.rollback(before);
  EXPECT_EQ(run.backend.snapshot(), before);
  (void)run.backend.evaluate();  // programs are compiled anew for the network that came back
}

// Few rounds with a fallback that any loss triggers, so that every phase is gone through.
PruneOptions nervous_options() {
  PruneOptions options = options_of_test();
  options.rounds = 2;
  options.tau = 0;
  options.fallback.epochs = 1;
  options.fallback.max_halvings = 1;
  return options;
}

class ModelBackendOn : public testing::TestWithParam<DeviceKind> {};

TEST_P(ModelBackendOn, TheSameRunTwiceGivesTheSameBits) {
  const auto state_after = [] {
    PruningRun run(nervous_options(), selftest::small_resnet(), GetParam());
    run.loop.run([] {});
    StateTree tree;
    run.save(tree);
    return tree;
  };
  EXPECT_EQ(differing_paths(state_after(), state_after()), std::vector<std::string>{});
}

TEST_P(ModelBackendOn, ResumesBitForBitAfterEveryCheckpoint) {
  PruningRun whole(nervous_options(), selftest::small_resnet(), GetParam());
  std::vector<StateTree> checkpoints;
  whole.loop.run([&] {
    StateTree tree;
    whole.save(tree);
    checkpoints.push_back(std::move(tree));
  });
  for (std::size_t n = 0; n + 1 < checkpoints.size(); ++n) {
    PruningRun resumed(nervous_options(), selftest::small_resnet(), GetParam());
    resumed.restore(checkpoints[n]);
    resumed.loop.run([] {});
    StateTree tree;
    resumed.save(tree);
    EXPECT_EQ(differing_paths(tree, checkpoints.back()), std::vector<std::string>{})
        << "after checkpoint " << n;
  }
}

// The averages are sliced, rolled back and counted with everything else, and are what is evaluated.
TEST_P(ModelBackendOn, ResumesWithAveragedWeights) {
  const auto start = [] { return PruningRun(nervous_options(), selftest::small_resnet(), GetParam(), 0.9); };
  PruningRun whole = start();
  std::vector<StateTree> checkpoints;
  whole.loop.run([&] { whole.save(checkpoints.emplace_back()); });
  EXPECT_TRUE(whole.whole.model.averaged());
  for (std::size_t n = 0; n + 1 < checkpoints.size(); ++n) {
    PruningRun resumed = start();
    resumed.restore(checkpoints[n]);
    resumed.loop.run([] {});
    StateTree tree;
    resumed.save(tree);
    EXPECT_EQ(differing_paths(tree, checkpoints.back()), std::vector<std::string>{})
        << "after checkpoint " << n;
  }
  const double averaged = whole.backend.evaluate().loss;
  whole.whole.model.adopt_averages(*whole.whole.stream);
  EXPECT_DOUBLE_EQ(whole.backend.evaluate().loss, averaged);
}

// What hbfp reads was recorded before the interruption.
TEST_P(ModelBackendOn, ResumesWithTheHistoryOfTheNorms) {
  PruneOptions options = options_of_test();
  options.rounds = 2;
  options.criterion = "hbfp";
  options.train_epochs = 2;
  PruningRun whole(options, selftest::small_resnet(), GetParam());
  std::vector<StateTree> checkpoints;
  std::size_t with_history = 0;
  whole.loop.run([&] {
    StateTree& tree = checkpoints.emplace_back();
    whole.save(tree);
    if (tree.get<std::int64_t>("loop/backend/norm_history/layers") > 0) ++with_history;
  });
  // Four epochs of training and the fine-tuning after each removal; a removal begins anew.
  EXPECT_GE(with_history, 6U);
  EXPECT_LT(with_history, checkpoints.size());
  for (std::size_t n = 0; n + 1 < checkpoints.size(); ++n) {
    PruningRun resumed(options, selftest::small_resnet(), GetParam());
    resumed.restore(checkpoints[n]);
    resumed.loop.run([] {});
    StateTree tree;
    resumed.save(tree);
    EXPECT_EQ(differing_paths(tree, checkpoints.back()), std::vector<std::string>{})
        << "after checkpoint " << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, ModelBackendOn, testing::Values(DeviceKind::reference, DeviceKind::cpu),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST(ModelBackend, CostOfWidthsIsThatOfThePrunedNetwork) {
  PruningRun run(options_of_test(), selftest::option_a_resnet());
  auto spaces = run.backend.spaces();
  std::vector<std::int64_t> widths;
  for (const SpaceScores& space : spaces) widths.push_back(space.width);
  EXPECT_EQ(run.backend.cost_with(widths), run.backend.cost());
  PruningPlan plan;
  for (std::size_t l = 0; l < spaces.size(); ++l) {
    std::vector<std::int64_t> kept;
    for (std::int64_t i = 1; i < widths[l]; ++i) kept.push_back(i);
    plan.edits.push_back({spaces[l].name, widths[l], kept});
    --widths[l];
  }
  const NetworkCost predicted = run.backend.cost_with(widths);
  run.backend.apply(plan);
  EXPECT_EQ(run.backend.cost(), predicted);
}

}  // namespace
}  // namespace secateur
