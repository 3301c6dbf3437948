// The loop and its fallback as a state machine against scripted accuracies: nothing is trained.
#include "secateur/prune/pruning_loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "prune/soft_mask.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

constexpr std::int64_t kWidth = 64;

// Two layers whose scores rise with the index; evaluation number i gives accuracy number i of the script, the
// last one for good. Everything it holds can be saved, as a program would save model and trainer.
class ScriptedBackend final : public PruningBackend {
 public:
  explicit ScriptedBackend(std::vector<double> script) : script_(std::move(script)) {}

  std::vector<SpaceScores> spaces() override {
    std::vector<SpaceScores> result;
    for (const std::int64_t width : widths)
      result.push_back({fmt::format("conv{}", result.size()), {}, width, 1, {}, {}, {}});
    return result;
  }
  std::vector<SpaceScores> score(const CriterionContext& context) override {
    scored.push_back(context);
    std::vector<SpaceScores> result = spaces();
    for (SpaceScores& space : result) {
      for (std::int64_t i = 0; i < space.width; ++i) {
        space.scores.push_back(static_cast<double>((i + shift * epochs) % space.width));
      }
      for (std::int64_t i = 0; i + 1 < space.width; ++i) {
        const auto place = std::ranges::find(space.scores, static_cast<double>(i));
        space.order.push_back(place - space.scores.begin());
        space.order_scores.push_back(static_cast<double>(i));
      }
    }
    return result;
  }
  EpochReport train_epoch(const LrPhase& phase, std::int64_t phase_epoch) override {
    rates.push_back(phase.rate(static_cast<double>(phase_epoch)));
    return {
        .epoch = epochs++, .samples = 1, .loss = 1, .top1 = 0.5, .learning_rate = rates.back(), .seconds = 1};
  }
  Evaluation evaluate() override {
    const auto i = std::min(static_cast<std::size_t>(evaluations++), script_.size() - 1);
    return {.samples = 100, .loss = 1, .top1 = script_[i], .top5 = 1};
  }
  void apply(const PruningPlan& plan) override {
    applied.push_back(plan);
    for (const KeepChannels& edit : plan.edits) {
      std::int64_t& width = widths.at(edit.space == "conv0" ? 0 : 1);
      EXPECT_EQ(width, edit.width);
      width = static_cast<std::int64_t>(edit.kept.size());
    }
  }
  void zero(const PruningPlan& plan) override { zeroed.push_back(plan); }
  void reinitialize() override { ++reinitialized; }
  StateTree snapshot() override {
    StateTree tree;
    tree.set("net/widths", widths);
    return tree;
  }
  void rollback(const StateTree& tree) override {
    widths = tree.get<std::vector<std::int64_t>>("net/widths");
  }
  NetworkCost cost() override { return cost_with(widths); }
  NetworkCost cost_with(const std::vector<std::int64_t>& w) override { return {w[0] + w[1], w[0] * w[1]}; }
  NetworkCost base_cost() override { return {2 * kWidth, kWidth * kWidth}; }

  void save(StateWriter w) const {
    w.set("widths", widths);
    w.set("evaluations", evaluations);
    w.set("epochs", epochs);
  }
  void restore(const StateReader& r) {
    widths = r.get<std::vector<std::int64_t>>("widths");
    evaluations = r.get<std::int64_t>("evaluations");
    epochs = r.get<std::int64_t>("epochs");
  }

  std::vector<std::int64_t> widths{kWidth, kWidth};
  std::int64_t evaluations = 0;
  std::int64_t epochs = 0;
  std::vector<double> rates;  // learning rate of each epoch
  std::vector<CriterionContext> scored;
  std::int64_t shift = 0;  // by which an epoch of training turns the scores round
  std::vector<PruningPlan> zeroed;
  std::vector<PruningPlan> applied;
  std::int64_t reinitialized = 0;

 private:
  std::vector<double> script_;
};

class EventList final : public EventSink {
 public:
  void write(std::string_view event, const LogFields& /*fields*/) override { names.emplace_back(event); }
  [[nodiscard]] std::int64_t count(std::string_view name) const { return std::ranges::count(names, name); }
  std::vector<std::string> names;
};

// A quarter of every layer in each of three rounds, one epoch before and two after a removal.
PruneOptions options_of_test() {
  PruneOptions options;
  options.rounds = 3;
  options.rate = 0.25;
  options.rate_policy = "uniform";
  options.train_epochs = 1;
  options.finetune_epochs = 2;
  options.fallback.epochs = 2;
  options.fallback.max_halvings = 2;
  return options;
}

struct ScriptedRun {
  ScriptedBackend backend;
  EventList events;
  PruningLoop loop;
  ScriptedRun(const PruneOptions& options, std::vector<double> script)
      : backend(std::move(script)), loop(options, backend, events) {}
};

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
