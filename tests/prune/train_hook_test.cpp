// Training hooks: what they add to the update, when they are at work, and that runs with them resume.
#include "secateur/prune/train_hooks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pruning_run.h"

namespace secateur {
namespace {

using test::differing_paths;
using test::options_of_test;
using test::PruningRun;

const LrPhase kConstant{.factor = find_lr_schedule("constant"), .base_rate = 0.05};

PruneOptions options_with(const std::string& hook, double strength) {
  PruneOptions options = options_of_test();
  options.train_hook = hook;
  options.sparsity = strength;
  return options;
}

// Values of all parameters by name after one step (one batch holds all samples) with or without the hook.
std::map<std::string, std::vector<double>> after_one_step(const std::string& hook, double strength,
                                                          DeviceKind kind = DeviceKind::reference) {
  PruningRun run(options_with(hook, strength), selftest::small_resnet(), kind);
  TrainerOptions trainer_options = run.trainer.options();
  trainer_options.batch = run.training.size();
  Trainer trainer(run.whole.model, run.whole.arena, *run.whole.stream, run.training, trainer_options);
  const auto made = make_train_hook(options_with(hook, strength));
  if (made != nullptr) {
    (void)trainer.run_epoch(kConstant, 0, run.observer, *made, {});
  } else {
    (void)trainer.run_epoch(kConstant, 0, run.observer);
  }
  std::map<std::string, std::vector<double>> values;
  for (std::size_t p = 0; p < run.whole.model.parameters().size(); ++p) {
    values[run.whole.model.parameters()[p].name] =
        run.whole.model.read(static_cast<std::int64_t>(p), *run.whole.stream);
  }
  return values;
}

TEST(Slimming, AddsItsSubgradientToTheScalesAlone) {
  const auto plain = after_one_step("none", 0);
  const auto slim = after_one_step("slimming", 0.01);
  std::int64_t scales = 0;
  for (const auto& [name, values] : plain) {
    const auto& other = slim.at(name);
    if (!name.ends_with(".scale")) {
      EXPECT_EQ(other, values) << name;
      continue;
    }
    for (std::size_t i = 0; i < values.size(); ++i, ++scales) {
      // All scales begin at 1, momentum at 0: the step is longer by rate * sparsity.
      EXPECT_NEAR(values[i] - other[i], 0.05 * 0.01, 1e-15) << name;
    }
  }
  EXPECT_GT(scales, 20);
}

TEST(Slimming, ShrinksTheScales) {
  const auto scale_sum = [](double strength) {
    PruneOptions options = options_with("slimming", strength);
    options.rounds = 1;
    options.train_epochs = 6;
    options.finetune_epochs = 0;
    options.rate = 0;
    options.learning_rate = 0.05;
    PruningRun run(options);
    run.loop.run([] {});
    double sum = 0;
    for (std::size_t p = 0; p < run.whole.model.parameters().size(); ++p) {
      if (run.whole.model.parameters()[p].spec.kind != ParameterKind::norm_scale) continue;
      for (const double v : run.whole.model.read(static_cast<std::int64_t>(p), *run.whole.stream)) sum += v;
    }
    return sum;
  };
  EXPECT_LT(scale_sum(0.05), 0.9 * scale_sum(0));
}

// Counts its calls, and adds an L1 term that depends on how often it was called: a hook with a state.
struct Calls {
  std::vector<HookPlace> begun;
  std::int64_t steps = 0;
  std::int64_t ended = 0;
};
Calls& calls() {
  static Calls instance;
  return instance;
}

class CountingHook final : public TrainHook {
 public:
  void begin_epoch(Model& /*model*/, const HookPlace& place, Stream& /*stream*/) override {
    calls().begun.push_back(place);
  }
  void edit(UpdateTerms& terms, const Model& /*model*/) override {
    for (UpdateSegment& segment : terms.segments) segment.l1 = 1e-5 * static_cast<double>(steps_);
  }
  void after_step(Model& /*model*/, Stream& /*stream*/) override {
    ++steps_;
    ++calls().steps;
  }
  void end_epoch(Model& /*model*/, const HookPlace& /*place*/, Stream& /*stream*/) override {
    ++calls().ended;
  }
  void save(StateWriter writer) const override { writer.set("steps", steps_); }
  void restore(const StateReader& reader) override { steps_ = reader.get<std::int64_t>("steps"); }

 private:
  std::int64_t steps_ = 0;
};

const bool kRegistered = [] {
  register_train_hook("counting", "of this test",
                      [](const PruneOptions&) { return std::make_unique<CountingHook>(); });
  return true;
}();

TEST(TrainHook, IsAtWorkBeforeRemovalsOnly) {
  ASSERT_TRUE(kRegistered);
  PruneOptions options = options_with("counting", 0);
  options.rounds = 2;
  options.train_epochs = 3;
  options.finetune_epochs = 4;
  calls() = {};
  PruningRun run(options);
  run.loop.run([] {});
  ASSERT_EQ(calls().begun.size(), 6U);
  EXPECT_EQ(calls().ended, 6);
  EXPECT_EQ(calls().steps, 6 * 5);  // 70 samples in batches of 16
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(calls().begun[i].round, 1 + static_cast<std::int64_t>(i) / 3);
    EXPECT_EQ(calls().begun[i].epoch, static_cast<std::int64_t>(i) % 3);
    EXPECT_EQ(calls().begun[i].epochs, 3);
  }
}

TEST(TrainHook, PlainEpochsForgetTheHooksTerms) {
  // An epoch with a hook that adds nothing, then a plain one, is two plain ones.
  const auto state_after = [](const std::string& hook, double strength) {
    PruneOptions options = options_with(hook, strength);
    options.rounds = 1;
    options.rate = 0;
    options.learning_rate = 0.01;
    PruningRun run(options);
    run.loop.run([] {});
    StateTree tree;
    run.whole.model.save(StateWriter(tree), *run.whole.stream);
    return tree;
  };
  EXPECT_EQ(differing_paths(state_after("slimming", 0), state_after("none", 0)), std::vector<std::string>{});
  EXPECT_NE(differing_paths(state_after("slimming", 0.1), state_after("none", 0)),
            std::vector<std::string>{});
}

TEST(TrainHook, UnknownNamesAreRefused) {
  EXPECT_THROW(check(options_with("sliming", 1e-4)), Error);
  EXPECT_THROW(check(options_with("slimming", -1e-4)), Error);
  PruneOptions idle = options_with("slimming", 1e-4);
  idle.train_epochs = 0;
  EXPECT_THROW(check(idle), Error);
  EXPECT_THROW(register_train_hook("slimming", "", [](const PruneOptions&) { return nullptr; }), Error);
}

// conv1 (4) - bn - conv2 (3) - bn - linear; penalties by hand from the weights.
TEST(GroupLasso, DecaysCoupledWeightsByTheirChannelsNorm) {
  const auto graph = [] {
    selftest::GraphBuilder b;
    b.head(b.conv_bn_relu("conv2", b.conv_bn_relu("conv1", b.x, 4, 3), 3, 3));
    return std::move(b.graph);
  };
  constexpr double kStrength = 0.01;
  PruneOptions options = options_with("group_lasso", kStrength);
  PruningRun run(options, graph(), DeviceKind::reference);
  const auto value = [&](const std::string& name) {
    return run.whole.model.read(run.whole.model.find_parameter(name), *run.whole.stream);
  };
  const auto conv1 = value("conv1.weight");  // [4, 3, 3, 3]
  const auto conv2 = value("conv2.weight");  // [3, 3, 3, 4]
  const auto fc = value("fc.weight");        // [4, 3]
  const auto penalties = [](std::vector<double> squares) {
    for (double& s : squares) s = std::sqrt(s);
    const auto [low, high] = std::ranges::minmax(squares);
    for (double& s : squares) s = kStrength * std::pow(16.0, (high - s) / (high - low));
    return squares;
  };
  std::vector<double> first(4, 1.0);  // the square of the scale, which is 1
  std::vector<double> second(3, 1.0);
  for (std::size_t i = 0; i < conv1.size(); ++i) first[i / 27] += conv1[i] * conv1[i];
  for (std::size_t i = 0; i < conv2.size(); ++i) {
    first[i % 4] += conv2[i] * conv2[i];
    second[i / 36] += conv2[i] * conv2[i];
  }
  for (std::size_t i = 0; i < fc.size(); ++i) second[i % 3] += fc[i] * fc[i];
  first = penalties(first);
  second = penalties(second);

  const auto hook = make_train_hook(options);
  hook->begin_epoch(run.whole.model, {}, *run.whole.stream);
  UpdateTerms terms;
  for (const Parameter& p : run.whole.model.parameters()) {
    if (is_trained(p.spec.kind)) terms.segments.push_back({p.offset, p.spec.shape.count(), 5e-4});
  }
  hook->edit(terms, run.whole.model);
  for (const UpdateSegment& segment : terms.segments) EXPECT_EQ(segment.weight_decay, 0);
  const auto* decay = static_cast<const double*>(terms.decay);
  ASSERT_NE(decay, nullptr);
  const auto expect_decay = [&](const std::string& name, auto&& expected) {
    const Parameter& p =
        run.whole.model.parameters()[static_cast<std::size_t>(run.whole.model.find_parameter(name))];
    for (std::int64_t i = 0; i < p.spec.shape.count(); ++i) {
      EXPECT_NEAR(decay[p.offset + i], expected(static_cast<std::size_t>(i)), 1e-14) << name << " " << i;
    }
  };
  expect_decay("conv1.weight", [&](std::size_t i) { return first[i / 27]; });
  expect_decay("conv2.weight", [&](std::size_t i) { return second[i / 36] + first[i % 4]; });
  expect_decay("fc.weight", [&](std::size_t i) { return second[i % 3]; });
  expect_decay("conv1.bn.scale", [&](std::size_t i) { return first[i]; });
  expect_decay("conv1.bn.shift", [](std::size_t) { return 0.0; });
  expect_decay("fc.bias", [](std::size_t) { return 0.0; });
}

TEST(GroupLasso, RunsOnTrunksGroupsAndConcatenations) {
  for (auto* graph : {selftest::option_a_resnet, selftest::concat_network, selftest::grouped_network}) {
    PruneOptions options = options_with("group_lasso", 5e-4);
    options.rounds = 2;
    PruningRun run(options, graph());
    run.loop.run([] {});
    EXPECT_EQ(run.events.counts["removal"], 2);
  }
}

class TrainHookResumes : public testing::TestWithParam<const char*> {};

TEST_P(TrainHookResumes, BitForBitAfterEveryCheckpoint) {
  PruneOptions options = options_with(GetParam(), 0.01);
  options.rounds = 2;
  options.train_epochs = 2;
  PruningRun whole(options);
  std::vector<StateTree> checkpoints;
  whole.loop.run([&] {
    StateTree tree;
    whole.save(tree);
    checkpoints.push_back(std::move(tree));
  });
  for (std::size_t n = 0; n + 1 < checkpoints.size(); ++n) {
    PruningRun resumed(options);
    resumed.restore(checkpoints[n]);
    resumed.loop.run([] {});
    StateTree tree;
    resumed.save(tree);
    EXPECT_EQ(differing_paths(tree, checkpoints.back()), std::vector<std::string>{})
        << "after checkpoint " << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Hooks, TrainHookResumes,
                         testing::Values("slimming", "group_lasso", "hbfp", "counting"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace secateur
