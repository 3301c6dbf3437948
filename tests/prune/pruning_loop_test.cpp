// The loop and its fallback as a state machine against scripted accuracies.
#include "secateur/prune/pruning_loop.h"

#include <gtest/gtest.h>

#include "scripted_loop.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

TEST(PruningLoop, PrunesEveryRoundWhenTheAccuracyHolds) {
  ScriptedRun run(options_of_test(), {0.9, 0.89, 0.90, 0.885});
  const LoopResult result = run.loop.run([] {});
  EXPECT_EQ(run.backend.widths, (std::vector<std::int64_t>{27, 27}));  // 48, 36, 27
  EXPECT_EQ(run.backend.epochs, 9);
  EXPECT_EQ(run.backend.evaluations, 4);
  ASSERT_EQ(run.loop.history().size(), 3U);
  for (const RoundRecord& record : run.loop.history()) {
    EXPECT_EQ(record.outcome, RoundOutcome::pruned);
    EXPECT_EQ(record.halvings, 0);
    EXPECT_EQ(record.fallback_epochs, 0);
  }
  EXPECT_EQ(run.loop.history()[1].widths, (std::vector<std::int64_t>{36, 36}));
  EXPECT_DOUBLE_EQ(run.loop.history()[2].accuracy_before, 0.90);
  EXPECT_DOUBLE_EQ(result.accuracy, 0.885);
  EXPECT_EQ(result.cost.parameters, 54);
  EXPECT_EQ(run.events.count("round_end"), 3);
  EXPECT_EQ(run.events.count("fallback_start"), 0);
}

// Three looks a round: after the removal, after the first of two epochs, at the end; only the last decides.
TEST(PruningLoop, WatchingMeasuresMoreAndDecidesNothing) {
  PruneOptions options = options_of_test();
  options.watch = true;
  ScriptedRun run(options, {0.9, 0.1, 0.5, 0.89, 0.1, 0.5, 0.90, 0.1, 0.5, 0.885});
  const LoopResult result = run.loop.run([] {});
  EXPECT_EQ(run.backend.evaluations, 10);
  EXPECT_EQ(run.backend.widths, (std::vector<std::int64_t>{27, 27}));
  EXPECT_EQ(run.events.count("evaluation"), 9);
  EXPECT_EQ(run.events.count("fallback_start"), 0);
  EXPECT_DOUBLE_EQ(run.loop.history()[2].accuracy_before, 0.90);
  EXPECT_DOUBLE_EQ(result.accuracy, 0.885);
}

TEST(PruningLoop, EachRoundIsScoredWithItsWeights) {
  ScriptedRun run(options_of_test(), {0.9});
  run.loop.run([] {});
  ASSERT_EQ(run.backend.scored.size(), 3U);
  for (int t = 1; t <= 3; ++t) {
    const CriterionContext& context = run.backend.scored[static_cast<std::size_t>(t - 1)];
    EXPECT_EQ(context.round, t);
    EXPECT_NEAR(context.alpha, 0.8 - 0.6 * t / 3.0, 1e-12);
    EXPECT_NEAR(context.beta, 0.3 + 0.4 * t / 3.0, 1e-12);
  }
}

TEST(PruningLoop, ALossWithinTauIsNoReasonForTheFallback) {
  ScriptedRun run(options_of_test(), {0.9, 0.8801, 0.9});
  run.loop.run([] {});
  EXPECT_EQ(run.events.count("fallback_start"), 0);
}

TEST(PruningLoop, FallbackRecovers) {
  // Round 1 falls to 0.5; the second fallback epoch brings 0.881, which is within tau of 0.9.
  ScriptedRun run(options_of_test(), {0.9, 0.5, 0.7, 0.881, 0.9});
  run.loop.run([] {});
  const RoundRecord& first = run.loop.history()[0];
  EXPECT_EQ(first.outcome, RoundOutcome::recovered);
  EXPECT_EQ(first.fallback_epochs, 2);
  EXPECT_EQ(first.halvings, 0);
  EXPECT_DOUBLE_EQ(first.accuracy_first, 0.5);
  EXPECT_DOUBLE_EQ(first.accuracy, 0.881);
  EXPECT_EQ(first.widths, (std::vector<std::int64_t>{48, 48}));
  EXPECT_DOUBLE_EQ(first.gamma, 0.025);
  EXPECT_DOUBLE_EQ(run.loop.history()[1].accuracy_before, 0.881);
  EXPECT_EQ(run.events.count("rollback"), 0);
}

TEST(PruningLoop, LiteralSuccessIsAnyGain) {
  PruneOptions options = options_of_test();
  options.fallback.success = FallbackSuccess::literal;
  ScriptedRun run(options, {0.9, 0.5, 0.51, 0.9});
  run.loop.run([] {});
  EXPECT_EQ(run.loop.history()[0].outcome, RoundOutcome::recovered);
  EXPECT_DOUBLE_EQ(run.loop.history()[0].accuracy, 0.51);
}

TEST(PruningLoop, FallbackTrainsAtATenthOfTheRate) {
  PruneOptions options = options_of_test();
  options.lr_schedule = "constant";
  options.learning_rate = 0.04;
  ScriptedRun run(options, {0.9, 0.5, 0.9});
  run.loop.run([] {});
  ASSERT_GE(run.backend.rates.size(), 4U);
  EXPECT_DOUBLE_EQ(run.backend.rates[2], 0.04);
  EXPECT_DOUBLE_EQ(run.backend.rates[3], 0.004);
  EXPECT_DOUBLE_EQ(run.backend.rates[4], 0.04);
}

TEST(PruningLoop, CosineRunsOverEachRound) {
  ScriptedRun run(options_of_test(), {0.9});
  run.loop.run([] {});
  const std::vector<double> round{0.01, 0.0075, 0.0025};  // (1 + cos(pi e / 3)) / 2 at 0, 1, 2
  for (std::size_t e = 0; e < 9; ++e) EXPECT_NEAR(run.backend.rates[e], round[e % 3], 1e-12) << e;
}

TEST(PruningLoop, PaperScheduleRunsOverTheWholeRun) {
  PruneOptions options = options_of_test();
  options.lr_schedule = "paper";
  options.learning_rate = 0.1;
  ScriptedRun run(options, {0.9});
  run.loop.run([] {});
  // Nine epochs: half is passed at the fifth, three quarters at the seventh (6.75).
  const std::vector<double> expected{0.1, 0.1, 0.1, 0.1, 0.1, 0.001, 0.001, 0.0001, 0.0001};
  for (std::size_t e = 0; e < 9; ++e) EXPECT_NEAR(run.backend.rates[e], expected[e], 1e-12) << e;
}

TEST(PruningLoop, HalvesTheRatesAfterAFailedFallback) {
  // Falls, two fallback epochs fail, rolled back; with half the rates it holds.
  ScriptedRun run(options_of_test(), {0.9, 0.5, 0.6, 0.7, 0.89, 0.89});
  run.loop.run([] {});
  const RoundRecord& first = run.loop.history()[0];
  EXPECT_EQ(first.outcome, RoundOutcome::pruned);
  EXPECT_EQ(first.halvings, 1);
  EXPECT_EQ(first.fallback_epochs, 2);
  EXPECT_EQ(first.widths, (std::vector<std::int64_t>{56, 56}));  // 12.5% of 64
  EXPECT_DOUBLE_EQ(first.rates[0], 0.125);
  EXPECT_EQ(run.backend.scored.size(), 3U) << "the halved round is not scored again";
  EXPECT_DOUBLE_EQ(first.gamma, 0.025) << "one fallback halves gamma once";
  EXPECT_EQ(run.events.count("rollback"), 1);
  EXPECT_EQ(run.events.count("halving"), 1);
  EXPECT_EQ(run.loop.history()[1].widths, (std::vector<std::int64_t>{42, 42}));
}

TEST(PruningLoop, SkipsTheRoundAfterTheLastHalving) {
  // Three attempts (25%, 12.5%, 6.25%) of three evaluations each fail; the skipped network measures 0.91.
  std::vector<double> script{0.9};
  script.insert(script.end(), 9, 0.5);
  script.insert(script.end(), {0.91, 0.905});
  ScriptedRun run(options_of_test(), script);
  run.loop.run([] {});
  const RoundRecord& first = run.loop.history()[0];
  EXPECT_EQ(first.outcome, RoundOutcome::skipped);
  EXPECT_EQ(first.halvings, 2);
  EXPECT_EQ(first.fallback_epochs, 6);
  EXPECT_EQ(first.removed_channels, 0);
  EXPECT_EQ(first.widths, (std::vector<std::int64_t>{64, 64}));
  EXPECT_DOUBLE_EQ(first.accuracy, 0.91);
  EXPECT_EQ(run.events.count("rollback"), 3);
  EXPECT_EQ(run.events.count("skip"), 1);
  // The next round starts from the whole width: nothing of the skipped one is carried on.
  EXPECT_EQ(run.loop.history()[1].widths, (std::vector<std::int64_t>{48, 48}));
  EXPECT_DOUBLE_EQ(run.loop.history()[1].accuracy_before, 0.91);
}

TEST(PruningLoop, AHalvedRoundThatRemovesNothingIsSkipped) {
  PruneOptions options = options_of_test();
  options.rate = 0.01;  // 0.64 of a channel; halved, 0.32
  options.rounds = 1;
  ScriptedRun run(options, {0.9, 0.5, 0.5, 0.5, 0.9});
  run.loop.run([] {});
  EXPECT_EQ(run.loop.history()[0].outcome, RoundOutcome::skipped);
  EXPECT_EQ(run.loop.history()[0].halvings, 1);
}

TEST(PruningLoop, WithoutFallbackItGoesOn) {
  PruneOptions options = options_of_test();
  options.fallback.enabled = false;
  ScriptedRun run(options, {0.9, 0.5, 0.4, 0.3});
  run.loop.run([] {});
  EXPECT_EQ(run.backend.widths, (std::vector<std::int64_t>{27, 27}));
  EXPECT_DOUBLE_EQ(run.loop.history()[2].gamma, 0.05);
}

TEST(PruningLoop, PrunesOnlyEveryFthRound) {
  PruneOptions options = options_of_test();
  options.rounds = 5;
  options.frequency = 2;
  ScriptedRun run(options, {0.9});
  run.loop.run([] {});
  std::vector<RoundOutcome> outcomes;
  for (const RoundRecord& record : run.loop.history()) outcomes.push_back(record.outcome);
  using enum RoundOutcome;
  EXPECT_EQ(outcomes, (std::vector<RoundOutcome>{trained, pruned, trained, pruned, trained}));
  EXPECT_EQ(run.backend.epochs, 5 + 2 * 2);
}

TEST(PruningLoop, MeetsABudget) {
  PruneOptions options = options_of_test();
  options.width.mode = WidthMode::target;
  options.budget.fraction = 0.5;
  ScriptedRun run(options, {0.9});
  const LoopResult result = run.loop.run([] {});
  ASSERT_TRUE(result.budget.has_value());
  EXPECT_TRUE(result.budget->met);
  EXPECT_TRUE(result.budget->close);
  EXPECT_LE(result.cost.macs, kWidth * kWidth / 2);
  EXPECT_GT(result.cost.macs + kWidth, kWidth * kWidth / 2);
}

TEST(PruningLoop, RefusesAnInfeasibleBudgetBeforeItBegins) {
  PruneOptions options = options_of_test();
  options.width = {.mode = WidthMode::target, .min_channels = 60};
  options.budget.fraction = 0.5;
  ScriptedRun run(options, {0.9});
  EXPECT_THROW((void)run.loop.step(), Error);
  EXPECT_EQ(run.backend.evaluations, 0);
}

TEST(PruningLoop, ABudgetThatTheAccuracyForbidsEndsAfterTwoSkippedRounds) {
  PruneOptions options = options_of_test();
  options.width.mode = WidthMode::target;
  options.rounds = 10;
  options.fallback.epochs = 0;
  options.fallback.max_halvings = 0;
  ScriptedRun run(options, {0.9, 0.5, 0.9, 0.5, 0.9});
  try {
    run.loop.run([] {});
    FAIL() << "an unmet budget passed for met";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("budget was not met"), std::string::npos) << error.what();
  }
  EXPECT_EQ(run.loop.history().size(), 2U);
  EXPECT_EQ(run.loop.phase(), LoopPhase::finished);
}

// The loop knows a time by its function alone: here 10 us a channel, 50 us more where they are no whole
// eights.
PruneOptions latency_options(double seconds) {
  PruneOptions options = options_of_test();
  options.width.mode = WidthMode::target;
  options.budget = {.measure = BudgetMeasure::latency, .amount = seconds};
  return options;
}

double time_of_widths(const std::vector<std::int64_t>& widths) {
  double time = 0;
  for (const std::int64_t width : widths) {
    time += 1e-5 * static_cast<double>(width) + (width % 8 == 0 ? 0 : 5e-5);
  }
  return time;
}

TEST(PruningLoop, MeetsABudgetOfTimeInEqualSteps) {
  const double base = time_of_widths({kWidth, kWidth});
  const double budget = 0.4 * base;
  ScriptedRun run(latency_options(budget), {0.9});
  run.backend.budgeted = time_of_widths;
  const LoopResult result = run.loop.run([] {});
  ASSERT_TRUE(result.budget.has_value());
  EXPECT_TRUE(result.budget->met);
  EXPECT_TRUE(result.budget->close);
  EXPECT_DOUBLE_EQ(result.budget->budget, budget);
  EXPECT_LE(time_of_widths(run.backend.widths), budget);
  // A channel of each layer costs 20 us, and what is no whole eight up to 100 us: no step is missed by more.
  double before = base;
  for (std::size_t t = 0; t < run.loop.history().size(); ++t) {
    const auto left = static_cast<double>(run.loop.history().size() - t);
    const double wanted = before * std::pow(budget / before, 1 / left);
    before = time_of_widths(run.loop.history()[t].widths);
    EXPECT_LE(before, wanted * (1 + 1e-9)) << "round " << t + 1;
    EXPECT_GT(before, wanted - 12e-5) << "round " << t + 1;
  }
}

TEST(PruningLoop, RefusesATimeThatNoWidthsReach) {
  ScriptedRun run(latency_options(1e-5), {0.9});
  run.backend.budgeted = time_of_widths;
  try {
    run.loop.run([] {});
    FAIL() << "an impossible budget was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("0.01 ms"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("0.12 ms"), std::string::npos) << error.what();
  }
  EXPECT_EQ(run.backend.epochs, 0) << "refused before anything is trained";
}

TEST(PruningLoop, PreviewChangesNothing) {
  ScriptedRun run(options_of_test(), {0.9});
  const PruningLoop::Preview preview = run.loop.preview();
  EXPECT_EQ(preview.planned.steps[0].after, 48);
  EXPECT_EQ(preview.scores.size(), preview.planned.steps.size());
  EXPECT_EQ(run.backend.widths, (std::vector<std::int64_t>{64, 64}));
  EXPECT_EQ(run.backend.epochs, 0);
  run.loop.run([] {});
  EXPECT_EQ(run.backend.widths, (std::vector<std::int64_t>{27, 27}));
}

TEST(PruningLoop, DrawsTheWeightsAnewWhereAskedTo) {
  PruneOptions options = options_of_test();
  ScriptedRun plain(options, {0.9});
  plain.loop.run([] {});
  EXPECT_EQ(plain.backend.reinitialized, 0);
  options.rounds = 1;
  options.reinitialize = true;
  ScriptedRun run(options, {0.9});
  run.loop.run([] {});
  EXPECT_EQ(run.backend.reinitialized, 1);
}

TEST(PruningLoop, RefusesImpossibleOptions) {
  const auto refused = [](auto change) {
    PruneOptions options = options_of_test();
    change(options);
    EXPECT_THROW(ScriptedRun(options, {0.9}), Error);
  };
  refused([](PruneOptions& o) { o.rounds = 0; });
  refused([](PruneOptions& o) { o.frequency = 4; });
  refused([](PruneOptions& o) { o.rate = 1; });
  refused([](PruneOptions& o) { o.criterion = "unifed"; });
  refused([](PruneOptions& o) { o.search.name = "bees"; });
  refused([](PruneOptions& o) {
    o.search.name = "abc";
    o.mask_mode = MaskMode::soft;
  });
  refused([](PruneOptions& o) { o.rate_policy = "fixed"; });
  refused([](PruneOptions& o) { o.lr_schedule = "cosinus"; });
  refused([](PruneOptions& o) { o.width.round_to = 0; });
  refused([](PruneOptions& o) { o.width = {.mode = WidthMode::target, .rounding = Rounding::ceil}; });
}

}  // namespace
}  // namespace secateur
