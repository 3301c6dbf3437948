// Soft masks and searches in the loop, and resumption after every checkpoint, against scripted accuracies.
#include <gtest/gtest.h>

#include <algorithm>

#include "prune/soft_mask.h"
#include "scripted_loop.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

// One round of four epochs and a removal of a quarter; each epoch turns the ranking by five channels.
ScriptedRun masked_run(MaskMode mode) {
  PruneOptions options = options_of_test();
  options.rounds = 1;
  options.train_epochs = 4;
  options.finetune_epochs = 0;
  options.mask_mode = mode;
  return {options, {0.9}};
}

std::vector<std::int64_t> removed_by(const PruningPlan& plan) {
  std::vector<std::int64_t> removed;
  if (plan.empty()) return removed;
  for (std::int64_t i = 0; i < plan.edits[0].width; ++i) {
    if (!std::ranges::binary_search(plan.edits[0].kept, i)) removed.push_back(i);
  }
  return removed;
}

TEST(SoftMask, ZeroesTheWeakestAfterEveryEpochAndRemovesTheLastOnes) {
  ScriptedRun run = masked_run(MaskMode::soft);
  run.backend.shift = 5;
  run.loop.run([] {});
  ASSERT_EQ(run.backend.zeroed.size(), 5U);  // before the first epoch, and after each
  for (std::int64_t e = 0; e < 5; ++e) {
    std::vector<std::int64_t> weakest;  // scores 0 .. 15 after e epochs
    for (std::int64_t i = 0; i < 16; ++i) weakest.push_back((i - 5 * e + kWidth) % kWidth);
    std::ranges::sort(weakest);
    EXPECT_EQ(removed_by(run.backend.zeroed[static_cast<std::size_t>(e)]), weakest) << e;
  }
  ASSERT_EQ(run.backend.applied.size(), 1U);
  EXPECT_EQ(run.backend.applied[0], run.backend.zeroed.back());
  EXPECT_EQ(run.backend.scored.size(), 5U) << "the removal is that of the last mask, not of new scores";
  EXPECT_EQ(run.events.count("mask"), 5);
}

TEST(SoftMask, AnAsymptoticMaskGrows) {
  ScriptedRun run = masked_run(MaskMode::asymptotic);
  run.loop.run([] {});
  std::vector<std::size_t> counts;
  for (const PruningPlan& plan : run.backend.zeroed) counts.push_back(removed_by(plan).size());
  // k = 8 ln 4 to four digits: 16 (1 - 4^-2), (1 - 4^-4), (1 - 4^-6) of 16 filters, rounded down.
  EXPECT_EQ(counts, (std::vector<std::size_t>{0, 15, 15, 15, 16}));
  EXPECT_EQ(run.backend.applied[0], run.backend.zeroed.back());
}

TEST(SoftMask, AsymptoticScheduleGoesThroughItsThreePoints) {
  for (const double knee : {0.05, 0.125, 0.4, 0.7}) {
    EXPECT_NEAR(asymptotic_part(0, knee), 0, 1e-12);
    EXPECT_NEAR(asymptotic_part(knee, knee), 0.75, 1e-9);
    EXPECT_NEAR(asymptotic_part(1, knee), 1, 1e-12);
    // P(x) = a exp(-k x) + b: equal steps shrink by equal factors.
    const double first = asymptotic_part(0.2, knee) - asymptotic_part(0.1, knee);
    const double second = asymptotic_part(0.3, knee) - asymptotic_part(0.2, knee);
    const double third = asymptotic_part(0.4, knee) - asymptotic_part(0.3, knee);
    EXPECT_NEAR(second / first, third / second, 1e-6);
  }
}

TEST(SoftMask, NeedsEpochsToMaskAfter) {
  PruneOptions options = options_of_test();
  options.mask_mode = MaskMode::soft;
  options.train_epochs = 0;
  EXPECT_THROW(check(options), Error);
}

// A run that is killed after its n-th checkpoint and resumed by a new loop and a new backend, for every n.
void expect_resumable(const PruneOptions& options, const std::vector<double>& script) {
  ScriptedRun whole(options, script);
  std::vector<StateTree> checkpoints;
  (void)whole.loop.run([&] {
    StateTree tree;
    whole.loop.save(StateWriter(tree).scope("loop"));
    whole.backend.save(StateWriter(tree).scope("backend"));
    checkpoints.push_back(std::move(tree));
  });
  ASSERT_GT(checkpoints.size(), 10U);
  for (std::size_t n = 0; n < checkpoints.size(); ++n) {
    ScriptedBackend backend(script);
    backend.restore(StateReader(checkpoints[n]).scope("backend"));
    EventList events;
    PruningLoop loop(options, backend, events);
    loop.restore(StateReader(checkpoints[n]).scope("loop"));
    (void)loop.run([] {});
    EXPECT_EQ(loop.history(), whole.loop.history()) << "after checkpoint " << n;
    EXPECT_EQ(backend.widths, whole.backend.widths) << "after checkpoint " << n;
    EXPECT_EQ(backend.epochs, whole.backend.epochs) << "after checkpoint " << n;
    // The events that follow are those of the undisturbed run.
    ASSERT_LE(events.names.size(), whole.events.names.size());
    EXPECT_TRUE(std::equal(events.names.rbegin(), events.names.rend(), whole.events.names.rbegin())) << n;
  }
}

TEST(PruningLoop, ResumesAfterEveryCheckpoint) {
  expect_resumable(options_of_test(), {0.9, 0.89, 0.90, 0.885});
}

TEST(PruningLoop, ResumesInTheMiddleOfAFallback) {
  expect_resumable(options_of_test(), {0.9, 0.5, 0.6, 0.7, 0.5, 0.88, 0.885, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6,
                                       0.6, 0.6, 0.6, 0.9, 0.5, 0.9});
}

TEST(PruningLoop, ResumesWithABudget) {
  PruneOptions options = options_of_test();
  options.width.mode = WidthMode::target;
  options.budget.fraction = 0.6;
  expect_resumable(options, {0.9, 0.5, 0.6, 0.7, 0.89, 0.9});
}

TEST(PruningLoop, ResumesBetweenSoftMasks) {
  PruneOptions options = options_of_test();
  options.train_epochs = 3;
  options.mask_mode = MaskMode::asymptotic;
  expect_resumable(options, {0.9, 0.5, 0.6, 0.7, 0.89, 0.9});
}

// One layer more or less does nothing; accuracy says which candidate is best.
TEST(PruningLoop, RemovesWhatTheBestCandidateOfASearchSays) {
  PruneOptions options = options_of_test();
  options.rounds = 1;
  options.search = {.name = "abc", .sources = 3, .cycles = 0, .levels = 10, .epochs = 2};
  // Before; three candidates, the second the best; after the removal.
  ScriptedRun run(options, {0.9, 0.5, 0.7, 0.6, 0.89});
  const auto search = make_search({.options = options.search, .layers = 2, .seed = options.seed});
  search->tell(0);
  const std::vector<double> rates = search->ask();
  run.loop.run([] {});
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(run.backend.widths[l],
              std::max<std::int64_t>(1, std::lround(static_cast<double>(kWidth) * (1 - rates[l]))));
  }
  EXPECT_EQ(run.events.count("candidate"), 3);
  EXPECT_EQ(run.events.count("search_epoch"), 6);
  EXPECT_EQ(run.backend.scored.size(), 1U);
  EXPECT_EQ(run.backend.epochs, 1 + 6 + 2);
  EXPECT_DOUBLE_EQ(run.loop.history()[0].accuracy, 0.89);
}

TEST(PruningLoop, EveryCandidateOfASearchMeetsTheBudget) {
  PruneOptions options = options_of_test();
  options.rounds = 1;
  options.width.mode = WidthMode::target;
  options.budget.fraction = 0.4;
  options.search = {.name = "abc", .sources = 4, .cycles = 2, .epochs = 0};
  ScriptedRun run(options, {0.9});
  const LoopResult result = run.loop.run([] {});
  ASSERT_TRUE(result.budget.has_value());
  EXPECT_TRUE(result.budget->met);
  ASSERT_GT(run.backend.applied.size(), 8U);
  for (const PruningPlan& plan : run.backend.applied) {
    std::vector<std::int64_t> widths(2, kWidth);
    for (const KeepChannels& edit : plan.edits) {
      widths.at(edit.space == "conv0" ? 0 : 1) = static_cast<std::int64_t>(edit.kept.size());
    }
    EXPECT_LE(run.backend.cost_with(widths).macs, 0.4 * kWidth * kWidth);
    EXPECT_GT(run.backend.cost_with(widths).macs, 0.35 * kWidth * kWidth);
  }
}

TEST(PruningLoop, ResumesInTheMiddleOfASearch) {
  PruneOptions options = options_of_test();
  options.rounds = 2;
  options.search = {.name = "abc", .sources = 3, .cycles = 2, .epochs = 1};
  expect_resumable(options, {0.9, 0.5, 0.7, 0.6, 0.65, 0.55, 0.72, 0.3, 0.2, 0.89, 0.9});
}

}  // namespace
}  // namespace secateur
