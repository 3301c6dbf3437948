// Training and pruning by several ranks against one process with the whole batch.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "dist/parallel_run.h"
#include "job.h"
#include "prune/pruning_run.h"
#include "secateur/graph/cost.h"
#include "secateur/train/trainer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::WholeModel;
using test::can_run_job;
using test::largest_difference;
using test::largest_magnitude;
using test::Outcome;
using test::train;
using Setting = test::ParallelSetting;
using test::run_job;

void expect_one_process(const Setting& setting, int size, double bound) {
  if (!can_run_job(size)) GTEST_SKIP() << "this job has another number of processes";
  const Outcome expected = train(setting, nullptr);
  ASSERT_GT(largest_magnitude(expected.gradients), 1e-3);
  run_job(size, [&](Communicator& communicator) {
    const Outcome got = train(setting, &communicator);
    EXPECT_LT(largest_difference(got.gradients, expected.gradients), bound);
    EXPECT_LT(largest_difference(got.values, expected.values), bound);
    EXPECT_NEAR(got.report.loss, expected.report.loss, bound);
    EXPECT_EQ(got.report.top1, expected.report.top1);
    EXPECT_EQ(got.report.samples, expected.report.samples);
  });
}

TEST(DataParallel, OneStepHasTheGradientsOfTheWholeBatch) {
  expect_one_process({.images = 12, .batch = 12}, 2, 1e-12);
  expect_one_process({.images = 12, .batch = 12, .residual = true}, 2, 1e-12);
}

TEST(DataParallel, PartsNeedNotBeEqual) {
  expect_one_process({.images = 7, .batch = 7}, 2, 1e-12);
  expect_one_process({.images = 7, .batch = 7, .residual = true}, 2, 1e-12);
}

TEST(DataParallel, TheLastBatchMayBeUneven) {
  expect_one_process({.images = 15, .batch = 8, .residual = true}, 2, 1e-12);  // 4 + 4, then 3 + 4
}

// A last batch of one image: both processes compute it.
TEST(DataParallel, TheLastBatchMayHaveFewerImagesThanProcesses) {
  expect_one_process({.images = 9, .batch = 8, .residual = true}, 2, 1e-12);
}

TEST(DataParallel, ThreeProcesses) {
  expect_one_process({.images = 10, .batch = 8}, 3, 1e-12);
  expect_one_process({.images = 16, .batch = 8, .residual = true}, 3, 1e-12);
}

// In float32 the parts are summed in another order.
TEST(DataParallel, OnTheCpu) {
  expect_one_process({.device = DeviceKind::cpu, .images = 15, .batch = 8}, 2, 2e-5);
  expect_one_process({.device = DeviceKind::cpu, .images = 15, .batch = 8, .residual = true}, 2, 2e-5);
}

// Without it the test above would prove nothing about batch norm.
TEST(DataParallel, WithoutSynchronisationBatchNormSeesItsPart) {
  if (!can_run_job(2)) GTEST_SKIP() << "this job has another number of processes";
  const Setting setting{.images = 12, .batch = 12, .sync_batch_norm = false, .residual = true};
  const Outcome expected = train(setting, nullptr);
  run_job(2, [&](Communicator& communicator) {
    const Outcome got = train(setting, &communicator);
    EXPECT_GT(largest_difference(got.gradients, expected.gradients), 1e-4);
    // The epoch itself has compared all weights and running statistics.
    Fingerprint fingerprint;
    for (const auto& values : got.values) fingerprint.add(std::as_bytes(std::span(values)));
    EXPECT_NO_THROW(communicator.require_equal(fingerprint.value(), "the network"));
  });
}

// Averages of the weights, which follow from equal weights on every rank, and of the running statistics.
TEST(DataParallel, AveragesAreThoseOfOneProcess) {
  if (!can_run_job(2)) GTEST_SKIP() << "this job has another number of processes";
  for (const DeviceKind device : {DeviceKind::reference, DeviceKind::cpu}) {
    const Setting setting{.device = device, .images = 15, .batch = 4, .residual = true, .average_decay = 0.6};
    const Outcome expected = train(setting, nullptr);
    ASSERT_GT(largest_difference(expected.averages, expected.values), 1e-3);
    run_job(2, [&](Communicator& communicator) {
      const Outcome got = train(setting, &communicator);
      ASSERT_EQ(got.averages.size(), got.values.size());
      EXPECT_LT(largest_difference(got.averages, expected.averages),
                device == DeviceKind::reference ? 1e-12 : 2e-5);
      Fingerprint fingerprint;
      for (const auto& values : got.averages) fingerprint.add(std::as_bytes(std::span(values)));
      EXPECT_NO_THROW(communicator.require_equal(fingerprint.value(), "the averages"));
    });
  }
}

TEST(DataParallel, RefusesABatchSmallerThanTheJob) {
  if (!can_run_job(2)) GTEST_SKIP() << "this job has another number of processes";
  run_job(2, [](Communicator& communicator) {
    EXPECT_THROW(static_cast<void>(train({.images = 4, .batch = 1}, &communicator)), Error);
  });
}

// One process alone asks for a stop; a part of one process alone is not finite.
TEST(DataParallel, StopsTogether) {
  if (!can_run_job(2)) GTEST_SKIP() << "this job has another number of processes";
  class StopAt final : public TrainObserver {
   public:
    explicit StopAt(std::int64_t steps) : steps_(steps) {}
    void on_step(const StepReport& report) override { done_ = report.step + 1; }
    bool stop_requested() override { return done_ == steps_; }

   private:
    std::int64_t steps_;
    std::int64_t done_ = 0;
  };
  run_job(2, [](Communicator& communicator) {
    WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
    selftest::NoiseSource source(whole.model.graph().shape(0), 4, 64, 3);
    TrainerOptions options;
    options.batch = 8;
    options.communicator = &communicator;
    Trainer trainer(whole.model, whole.arena, *whole.stream, source, options);
    StopAt stop(communicator.rank() == 1 ? 3 : 100);
    EXPECT_THROW(static_cast<void>(trainer.run_epoch({find_lr_schedule("constant"), 0.01, 1}, 0, stop)),
                 Interrupted);
    EXPECT_EQ(trainer.step(), 3);
  });
}

class BrokenHalf final : public BatchSource {
 public:
  explicit BrokenHalf(MapShape shape) : noise_(shape, 4, 16, 3) {}
  [[nodiscard]] std::int64_t size() const override { return noise_.size(); }
  [[nodiscard]] MapShape image_shape() const override { return noise_.image_shape(); }
  [[nodiscard]] std::int64_t num_classes() const override { return noise_.num_classes(); }
  void begin_epoch(std::int64_t epoch) override { noise_.begin_epoch(epoch); }
  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) override {
    noise_.fill(first, count, stream, images, labels);
    if (first >= 8) images.as<float>()[0] = std::nanf("");
  }

 private:
  selftest::NoiseSource noise_;
};

TEST(DataParallel, ALossThatIsNotFiniteStopsAll) {
  if (!can_run_job(2)) GTEST_SKIP() << "this job has another number of processes";
  run_job(2, [](Communicator& communicator) {
    WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
    BrokenHalf source(whole.model.graph().shape(0));
    TrainerOptions options;
    options.batch = 16;
    options.communicator = &communicator;
    Trainer trainer(whole.model, whole.arena, *whole.stream, source, options);
    TrainObserver silent;
    EXPECT_THROW(static_cast<void>(trainer.run_epoch({find_lr_schedule("constant"), 0.01, 1}, 0, silent)),
                 NonFiniteError);
    EXPECT_EQ(trainer.step(), 0);
  });
}

TEST(DataParallel, EvaluationIsThatOfOneProcess) {
  if (!can_run_job(2)) GTEST_SKIP() << "this job has another number of processes";
  const auto evaluate = [](Communicator* communicator) {
    WholeModel whole(selftest::small_resnet(), DeviceKind::reference);
    selftest::NoiseSource source(whole.model.graph().shape(0), 4, 21, 3);
    return Evaluator(whole.model, whole.arena, *whole.stream, 8, whole.precision, communicator).run(source);
  };
  const Evaluation expected = evaluate(nullptr);
  run_job(2, [&](Communicator& communicator) {
    const Evaluation got = evaluate(&communicator);
    EXPECT_EQ(got.samples, 21);
    EXPECT_EQ(got.top1, expected.top1);
    EXPECT_EQ(got.top5, expected.top5);
    EXPECT_NEAR(got.loss, expected.loss, 1e-12);
  });
}

TEST(Pruning, ScoresAreThoseOfOneProcess) {
  if (!can_run_job(2)) GTEST_SKIP() << "this job has another number of processes";
  CriterionNeeds needs;
  for (bool* need : {&needs.filter_norms, &needs.redundancy, &needs.gradients, &needs.activations,
                     &needs.map_ranks, &needs.map_entropies, &needs.weight_gradients}) {
    *need = true;
  }
  const auto measure = [&](Communicator* communicator) {
    WholeModel whole(selftest::small_resnet(), DeviceKind::reference);
    selftest::NoiseSource sample(whole.model.graph().shape(0), 4, 13, 5);
    Scorer scorer(whole.model, whole.arena, *whole.stream,
                  {.images = 13, .batch = 4, .precision = whole.precision, .communicator = communicator});
    return scorer.measure(std::vector<std::int64_t>{0, 1}, needs, true, sample, 1);
  };
  const std::vector<SpaceStatistics> expected = measure(nullptr);
  run_job(2, [&](Communicator& communicator) {
    const std::vector<SpaceStatistics> got = measure(&communicator);
    const auto compare = [](const std::vector<double>& a, const std::vector<double>& b) {
      ASSERT_EQ(a.size(), b.size());
      ASSERT_FALSE(b.empty());
      for (std::size_t i = 0; i < b.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-12);
    };
    for (std::size_t s = 0; s < expected.size(); ++s) {
      EXPECT_EQ(got[s].images, 13);
      compare(got[s].redundancy, expected[s].redundancy);
      compare(got[s].constant_images, expected[s].constant_images);
      compare(got[s].pairwise, expected[s].pairwise);
      compare(got[s].taylor, expected[s].taylor);
      compare(got[s].zero_fraction, expected[s].zero_fraction);
      compare(got[s].mean_activation, expected[s].mean_activation);
      compare(got[s].map_rank, expected[s].map_rank);
      compare(got[s].map_entropy, expected[s].map_entropy);
      compare(got[s].producers[0].gradients, expected[s].producers[0].gradients);
    }
  });
}

// Trains and prunes in rounds; all ranks end with the same smaller network.
TEST(Pruning, EveryRankHasTheSameNetwork) {
  if (!can_run_job(2)) GTEST_SKIP() << "this job has another number of processes";
  run_job(2, [](Communicator& communicator) {
    test::PruningRun run(test::options_of_test(), selftest::small_resnet(), DeviceKind::cpu, 0,
                         &communicator);
    const std::int64_t before = cost_of(run.whole.model.graph()).parameters;
    run.loop.run([] {});
    EXPECT_LT(cost_of(run.whole.model.graph()).parameters, before);
    StateTree tree;
    run.save(tree);
    Fingerprint fingerprint;
    for (const auto& [path, value] : tree.entries()) {
      fingerprint.add(path);
      if (const auto* tensor = std::get_if<StoredTensor>(&value)) fingerprint.add(tensor->bytes);
      if (const auto* number = std::get_if<double>(&value))
        fingerprint.add(std::as_bytes(std::span(number, 1)));
      if (const auto* number = std::get_if<std::int64_t>(&value)) fingerprint.add(*number);
    }
    EXPECT_NO_THROW(communicator.require_equal(fingerprint.value(), "the run"));
  });
}

TEST(Pruning, APlanOfOneRankAloneIsRefused) {
  if (!can_run_job(2)) GTEST_SKIP() << "this job has another number of processes";
  run_job(2, [](Communicator& communicator) {
    test::PruningRun run(test::options_of_test(), selftest::small_resnet(), DeviceKind::cpu, 0,
                         &communicator);
    const ChannelSpaces spaces(run.whole.model.graph());
    KeptMembers kept = spaces.keep_all();
    const auto space = static_cast<std::size_t>(
        std::ranges::find(spaces.spaces(), false, &ChannelSpace::pinned) - spaces.spaces().begin());
    kept[space].erase(kept[space].begin() + communicator.rank());
    const std::int64_t before = cost_of(run.whole.model.graph()).parameters;
    EXPECT_THROW(run.backend.apply(PruningPlan::from_members(spaces, kept)), Error);
    EXPECT_EQ(cost_of(run.whole.model.graph()).parameters, before);
  });
}

}  // namespace
}  // namespace secateur
