// Soft masks on a real network: zeroed filters train on and come back, the removal takes what the last mask
// zeroed, and a run resumes between masks. The state machine alone is tested in pruning_loop_test.cpp.
#include "prune/soft_mask.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "pruning_run.h"
#include "secateur/prune/surgeon.h"

namespace secateur {
namespace {

using test::differing_paths;
using test::options_of_test;
using test::PruningRun;

PruneOptions soft_options(MaskMode mode) {
  PruneOptions options = options_of_test();
  options.mask_mode = mode;
  options.criterion = "l2";
  options.rate_policy = "uniform";
  options.rounds = 2;
  options.train_epochs = 3;
  return options;
}

std::vector<double> values_of(PruningRun& run, const std::string& name) {
  return run.whole.model.read(run.whole.model.find_parameter(name), *run.whole.stream);
}

std::vector<bool> zero_rows(const std::vector<double>& values, std::size_t rows) {
  const std::size_t row = values.size() / rows;
  std::vector<bool> zero;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(r * row);
    zero.push_back(
        std::all_of(first, first + static_cast<std::ptrdiff_t>(row), [](double v) { return v == 0; }));
  }
  return zero;
}

class SoftMaskOn : public testing::TestWithParam<DeviceKind> {};

TEST_P(SoftMaskOn, ZeroedFiltersGetGradientsAndGrowAgain) {
  PruningRun run(soft_options(MaskMode::soft), selftest::small_resnet(), GetParam());
  const LrPhase phase{.factor = find_lr_schedule("constant"), .base_rate = 0.01};
  (void)run.trainer.run_epoch(phase, 0, run.observer);  // so that there is momentum
  const StateTree before = run.backend.snapshot();
  const KeepChannels edit{"stem", 5, {0, 3}};
  run.backend.zero({{edit}});
  std::vector<std::string> changed = differing_paths(before, run.backend.snapshot());
  for (const std::string& path : changed) EXPECT_TRUE(path.starts_with("parameters/")) << path;
  EXPECT_TRUE(std::ranges::count(changed, "parameters/stem.weight") == 1);
  EXPECT_EQ(zero_rows(values_of(run, "stem.weight"), 5), (std::vector<bool>{false, true, true, false, true}));
  (void)run.trainer.run_epoch(phase, 1, run.observer);
  EXPECT_EQ(zero_rows(values_of(run, "stem.weight"), 5), std::vector<bool>(5, false));
}

TEST_P(SoftMaskOn, RemovesWhatTheLastMaskZeroed) {
  PruneOptions options = soft_options(MaskMode::soft);
  options.rounds = 1;
  options.finetune_epochs = 0;
  PruningRun run(options, selftest::small_resnet(), GetParam());
  while (run.loop.phase() != LoopPhase::remove) ASSERT_TRUE(run.loop.step());
  const std::vector<double> before = values_of(run, "stem.weight");
  const std::vector<bool> zero = zero_rows(before, 5);
  ASSERT_EQ(std::ranges::count(zero, true), 2);  // 0.4 of 5
  std::vector<double> survivors;
  for (std::size_t r = 0; r < 5; ++r) {
    if (zero[r]) continue;
    const auto first = before.begin() + static_cast<std::ptrdiff_t>(r * before.size() / 5);
    survivors.insert(survivors.end(), first, first + static_cast<std::ptrdiff_t>(before.size() / 5));
  }
  run.loop.step();
  EXPECT_EQ(values_of(run, "stem.weight"), survivors);
}

TEST_P(SoftMaskOn, ResumesBitForBitBetweenMasks) {
  for (const MaskMode mode : {MaskMode::soft, MaskMode::asymptotic}) {
    PruningRun whole(soft_options(mode), selftest::small_resnet(), GetParam());
    std::vector<StateTree> checkpoints;
    whole.loop.run([&] {
      StateTree tree;
      whole.save(tree);
      checkpoints.push_back(std::move(tree));
    });
    EXPECT_EQ(whole.events.counts["mask"], 8);
    for (std::size_t n = 0; n + 1 < checkpoints.size(); ++n) {
      PruningRun resumed(soft_options(mode), selftest::small_resnet(), GetParam());
      resumed.restore(checkpoints[n]);
      resumed.loop.run([] {});
      StateTree tree;
      resumed.save(tree);
      EXPECT_EQ(differing_paths(tree, checkpoints.back()), std::vector<std::string>{})
          << "after checkpoint " << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, SoftMaskOn, testing::Values(DeviceKind::reference, DeviceKind::cpu),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST(SoftMask, MeetsABudget) {
  PruneOptions options = soft_options(MaskMode::soft);
  options.width.mode = WidthMode::target;
  options.budget.fraction = 0.6;
  PruningRun run(options, selftest::small_resnet(12));
  const LoopResult result = run.loop.run([] {});
  ASSERT_TRUE(result.budget.has_value());
  EXPECT_TRUE(result.budget->met);
}

TEST(SoftMask, APartTakesWholeTurnsOfGroups) {
  SpaceScores space;
  space.name = "grouped";
  space.width = 8;
  space.groups = 2;
  space.scores.assign(8, 0.0);
  space.order = {0, 4, 1, 5, 2, 6, 3};
  space.order_scores = std::vector<double>(7, 0.0);
  PlannedRound planned;
  planned.steps = {{.before = 8, .after = 2, .remove = 6, .target = 2}};
  planned.plan.edits = {{"grouped", 8, {3, 7}}};
  EXPECT_TRUE(part_of(planned, {&space, 1}, 0.3).empty());
  EXPECT_EQ(part_of(planned, {&space, 1}, 0.5).edits.at(0).kept,
            (std::vector<std::int64_t>{1, 2, 3, 5, 6, 7}));
  EXPECT_EQ(part_of(planned, {&space, 1}, 1.0), planned.plan);
}

}  // namespace
}  // namespace secateur
