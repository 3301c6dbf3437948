// Steps that are recorded and replayed without the host: the same bits as steps that the host looks at after
// each, and counts of what they cost.
#include <gtest/gtest.h>

#include <functional>

#include "data/data_fixtures.h"
#include "secateur/core/error.h"
#include "secateur/data/loader.h"
#include "secateur/data/prefetch.h"
#include "secateur/data/resident_loader.h"
#include "secateur/prune/surgeon.h"
#include "secateur/train/finite.h"
#include "secateur/train/trainer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"
#include "simt/executor.h"
#include "simulated/gpu.h"

namespace secateur {
namespace {

using selftest::WholeModel;
using simulated::gpu;

constexpr std::int64_t kSamples = 10;
constexpr std::int64_t kBatch = 4;  // two whole batches and a tail of two

enum class Input { resident, prefetched };

// A network in training on random images.
struct Training {
  Training(Graph graph, Precision precision, bool record, Input input = Input::resident,
           std::int64_t samples = kSamples)
      : whole(std::move(graph), DeviceKind::cuda, precision, 7) {
    const data::ImageSet images = data::random_set(samples, whole.model.graph().shape(0), 4);
    const data::LoaderOptions loader{.shuffle = true, .augment = true, .padding = 1, .seed = 5};
    if (input == Input::resident) {
      source = std::make_unique<data::ResidentLoader>(images, loader, *whole.stream);
    } else {
      source = std::make_unique<data::PrefetchingLoader>(std::make_unique<data::Loader>(images, loader));
    }
    options.batch = kBatch;
    options.precision = precision;
    options.record = record;
    options.sgd = {.momentum = 0.9, .weight_decay = 1e-3, .nesterov = true};
  }

  Trainer& trainer() {
    if (made == nullptr) {
      made = std::make_unique<Trainer>(whole.model, whole.arena, *whole.stream, *source, options);
    }
    return *made;
  }
  EpochReport epoch(double rate = 0.05) {
    const LrPhase phase{.factor = find_lr_schedule("cosine"), .base_rate = rate, .epochs = 4};
    return trainer().run_epoch(phase, trainer().epoch(), observer);
  }
  // Restores a trainer whose loss scale stands elsewhere.
  void set_loss_scale(double value) {
    StateTree tree;
    StateWriter writer(tree, "trainer");
    writer.set("epoch", trainer().epoch());
    writer.set("step", trainer().step());
    writer.set("loss_scale/value", value);
    writer.set("loss_scale/finite_steps", std::int64_t{0});
    writer.set("loss_scale/skipped", std::int64_t{0});
    trainer().restore(StateReader(tree).scope("trainer"));
  }
  // Weights, statistics and momentum.
  std::vector<std::vector<double>> values() {
    std::vector<std::vector<double>> result;
    for (std::int64_t p = 0; p < static_cast<std::int64_t>(whole.model.parameters().size()); ++p) {
      result.push_back(whole.model.read(p, *whole.stream));
      const Tensor momentum = whole.model.momentum(p);
      if (!momentum.empty()) result.push_back(read_values(momentum, *whole.stream));
      if (whole.model.averaged()) result.push_back(read_values(whole.model.average(p), *whole.stream));
    }
    return result;
  }

  WholeModel whole;
  std::unique_ptr<BatchSource> source;
  TrainerOptions options;
  TrainObserver observer;
  std::unique_ptr<Trainer> made;
};

// Counts what `work` costs the simulated GPU.
struct Cost {
  std::int64_t synchronizations, allocations, instantiations, graph_launches, kernels;
};
Cost cost_of(const std::function<void()>& work) {
  const simulated::Gpu before = gpu();
  const std::int64_t kernels = simt::statistics().launches;
  work();
  return {gpu().synchronizations - before.synchronizations, gpu().allocations - before.allocations,
          gpu().instantiations - before.instantiations, gpu().graph_launches - before.graph_launches,
          simt::statistics().launches - kernels};
}

// Removes a channel of every layer that can lose one.
void cut_one_channel_each(Training& training) {
  Model& model = training.whole.model;
  const ChannelSpaces spaces(model.graph());
  KeptMembers kept = spaces.keep_all();
  for (std::size_t s = 0; s < kept.size(); ++s) {
    if (!spaces.spaces()[s].pinned) kept[s].pop_back();
  }
  training.whole.arena.clear();
  static_cast<void>(apply_plan(model, PruningPlan::from_members(spaces, kept), *training.whole.stream));
}

void expect_equal_epochs(Training& recorded, Training& looked_at, int epochs) {
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const EpochReport a = recorded.epoch();
    const EpochReport b = looked_at.epoch();
    EXPECT_EQ(a.samples, b.samples);
    EXPECT_NEAR(a.loss, b.loss, 1e-12 * b.loss);
    EXPECT_EQ(a.top1, b.top1);
    EXPECT_EQ(a.learning_rate, b.learning_rate);
    EXPECT_EQ(a.skipped_steps, b.skipped_steps);
    ASSERT_EQ(recorded.values(), looked_at.values()) << "epoch " << epoch;
  }
  EXPECT_EQ(recorded.trainer().step(), looked_at.trainer().step());
}

TEST(RecordedSteps, GiveTheBitsOfStepsThatTheHostLooksAt) {
  for (const Precision precision : {Precision::fp32, Precision::bf16, Precision::fp16}) {
    for (const Input input : {Input::resident, Input::prefetched}) {
      SCOPED_TRACE(std::string(name_of(precision)) +
                   (input == Input::resident ? ", resident" : ", prefetched"));
      Training recorded(selftest::small_vgg(4, 0.3), precision, true, input);
      Training looked_at(selftest::small_vgg(4, 0.3), precision, false, input);
      expect_equal_epochs(recorded, looked_at, 3);
    }
  }
}

// At the largest scale fp16's gradients overflow step after step, until it is small enough.
TEST(RecordedSteps, OverflowsAreSkippedAndTheScaleHalved) {
  Training recorded(selftest::small_resnet(3), Precision::fp16, true);
  Training looked_at(selftest::small_resnet(3), Precision::fp16, false);
  for (Training* training : {&recorded, &looked_at}) training->set_loss_scale(16777216);
  const std::vector<std::vector<double>> before = recorded.values();
  EXPECT_EQ(recorded.epoch().skipped_steps, 3);
  EXPECT_EQ(looked_at.epoch().skipped_steps, 3);
  expect_equal_epochs(recorded, looked_at, 3);
  EXPECT_NE(recorded.values(), before);
}

// Averages of the weights, with steps that are skipped and, after a removal, a warm-up from the beginning.
TEST(RecordedSteps, AverageTheWeights) {
  Training recorded(selftest::small_vgg(4, 0.3), Precision::fp16, true);
  Training looked_at(selftest::small_vgg(4, 0.3), Precision::fp16, false);
  for (Training* training : {&recorded, &looked_at}) {
    training->options.average_decay = 0.3;
    training->set_loss_scale(16777216);
  }
  expect_equal_epochs(recorded, looked_at, 3);
  for (Training* training : {&recorded, &looked_at}) cut_one_channel_each(*training);
  expect_equal_epochs(recorded, looked_at, 1);
  StateTree saved;
  recorded.trainer().save(StateWriter(saved));
  EXPECT_EQ(StateReader(saved).get<std::int64_t>("average/updates"), 3);
}

// A teacher's answer is a part of the step, also after its pupil has lost channels.
TEST(RecordedSteps, ATeacherAnswersWithinThem) {
  Training recorded(selftest::small_vgg(4, 0.3), Precision::fp16, true);
  Training looked_at(selftest::small_vgg(4, 0.3), Precision::fp16, false);
  std::vector<std::unique_ptr<Teacher>> teachers;
  const auto teach = [&](std::int64_t width) {
    for (Training* training : {&recorded, &looked_at}) {
      training->options.distillation = {.weight = 0.6, .temperature = 3};
      Model wiser(selftest::small_vgg(width), *training->whole.device);
      wiser.initialize(11, *training->whole.stream);
      teachers.push_back(
          std::make_unique<Teacher>(std::move(wiser), *training->whole.stream, Precision::fp16));
      training->trainer().teach(*teachers.back());
    }
  };
  teach(6);
  const Cost cost = cost_of([&] {
    expect_equal_epochs(recorded, looked_at, 2);
    cut_one_channel_each(recorded);
    cut_one_channel_each(looked_at);
    expect_equal_epochs(recorded, looked_at, 2);
  });
  EXPECT_EQ(cost.instantiations, 2 * 2);
  teach(5);  // who is not asked by way of the first one's recording
  expect_equal_epochs(recorded, looked_at, 2);
}

TEST(RecordedSteps, GoOnAfterARemoval) {
  Training recorded(selftest::small_vgg(4, 0.3), Precision::fp16, true);
  Training looked_at(selftest::small_vgg(4, 0.3), Precision::fp16, false);
  const Cost cost = cost_of([&] {
    expect_equal_epochs(recorded, looked_at, 2);
    cut_one_channel_each(recorded);
    cut_one_channel_each(looked_at);
    expect_equal_epochs(recorded, looked_at, 2);
  });
  EXPECT_EQ(cost.instantiations, 2 * 2);  // programs times generations of the model
}

// A second epoch, when everything is recorded, by its counts.
TEST(RecordedSteps, CostTheHostNextToNothing) {
  constexpr std::int64_t kSteps = 13;
  Training training(selftest::small_resnet(3), Precision::fp16, true, Input::resident, kSteps * kBatch - 1);
  training.options.read_every = 4;
  static_cast<void>(training.epoch());
  static_cast<void>(training.epoch());
  const Cost cost = cost_of([&] { static_cast<void>(training.epoch()); });
  EXPECT_EQ(cost.allocations, 0);
  EXPECT_EQ(cost.instantiations, 0);
  EXPECT_EQ(cost.graph_launches, kSteps);
  // After steps 0, 4, 8 and 12; then the set's new order, the state's start, the end, a look at all weights.
  EXPECT_EQ(cost.synchronizations, 4 + 4);
}

TEST(RecordedSteps, KernelsOfAStep) {
  const auto count = [](bool fuse, std::int64_t passes, std::int64_t kernels) {
    Training training(selftest::small_resnet(3), Precision::fp16, true, Input::resident, 2 * kBatch);
    training.options.fuse_convolutions = fuse;
    EXPECT_EQ(training.trainer().recorded_kernels(), 0);
    static_cast<void>(training.epoch());
    const Program& program = training.trainer().program();
    EXPECT_EQ(program.forward_steps() + program.backward_steps(), passes);
    EXPECT_EQ(training.trainer().recorded_kernels(), kernels);
  };
  // 32 nodes' passes. What makes 93 kernels of them: filters cast and padded before and gradients after each
  // convolution in 16 bits, several kernels for each batch norm; one that makes the batch, one that sums up
  // the losses, one that fills their gradient; and one each to look at the gradients, settle and update.
  count(false, 32, 93);
  // Two batch norms have no passes of their own. Each of the six loses a kernel for its statistics, those two
  // one that applies and two that add up; padded to eight channels, they gain two that copy their gradients.
  count(true, 28, 93 - 6 - 2 * 3 + 2 * 2);
}

// What the recorded steps train is what the float64 reference trains.
TEST(RecordedSteps, AgreeWithTheReference) {
  Training recorded(selftest::small_resnet(3), Precision::fp32, true);
  WholeModel reference(selftest::small_resnet(3), DeviceKind::reference);
  const data::ImageSet images = data::random_set(kSamples, reference.model.graph().shape(0), 4);
  data::Loader source(images, {.shuffle = true, .augment = true, .padding = 1, .seed = 5});
  TrainerOptions options = recorded.options;
  options.precision = Precision::fp64;
  Trainer trainer(reference.model, reference.arena, *reference.stream, source, options);
  const LrPhase phase{.factor = find_lr_schedule("cosine"), .base_rate = 0.05, .epochs = 4};
  TrainObserver silent;
  for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
    const EpochReport expected = trainer.run_epoch(phase, epoch, silent);
    const EpochReport found = recorded.epoch();
    EXPECT_NEAR(found.loss, expected.loss, 1e-4 * expected.loss);
    EXPECT_EQ(found.top1, expected.top1);
  }
  for (std::int64_t p = 0; p < static_cast<std::int64_t>(reference.model.parameters().size()); ++p) {
    EXPECT_LT(selftest::relative_error(recorded.whole.model.read(p, *recorded.whole.stream),
                                       reference.model.read(p, *reference.stream)),
              2e-4)
        << reference.model.parameters()[static_cast<std::size_t>(p)].name;
  }
}

// The step that fails is found and named as if the host had looked at once, with the weights of that step.
TEST(RecordedSteps, ALossThatIsNotFiniteStopsTheWeights) {
  std::string messages[2];
  std::string layers[2];
  std::vector<std::vector<double>> weights[2];
  for (const bool record : {false, true}) {
    Training training(selftest::small_vgg(4), Precision::fp32, record, Input::resident, 10 * kBatch);
    const int i = record ? 1 : 0;
    try {
      static_cast<void>(training.epoch(1e12));
      ADD_FAILURE() << "no error";
    } catch (const NonFiniteError& error) {
      messages[i] = error.what();
      layers[i] = error.layer();
    }
    for (const Parameter& parameter : training.whole.model.parameters()) {
      if (!is_trained(parameter.spec.kind)) continue;
      weights[i].push_back(training.whole.model.read(training.whole.model.find_parameter(parameter.name),
                                                     *training.whole.stream));
    }
    EXPECT_GT(training.trainer().step(), 0);
    EXPECT_LT(training.trainer().step(), 9);
  }
  EXPECT_EQ(messages[0], messages[1]);
  EXPECT_NE(messages[1].find("the loss is not finite at step"), std::string::npos) << messages[1];
  EXPECT_EQ(layers[0], layers[1]);
  ASSERT_EQ(weights[0].size(), weights[1].size());
  for (std::size_t p = 0; p < weights[0].size(); ++p) {
    for (std::size_t i = 0; i < weights[0][p].size(); ++i) {
      const bool equal = weights[0][p][i] == weights[1][p][i] ||
                         (std::isnan(weights[0][p][i]) && std::isnan(weights[1][p][i]));
      ASSERT_TRUE(equal) << p << ", " << i;
    }
  }
}

// Terms of the update change from epoch to epoch, and its work after each step.
class DecayingHook final : public TrainHook {
 public:
  void begin_epoch(Model& /*model*/, const HookPlace& /*place*/, Stream& /*stream*/) override { ++epochs_; }
  void edit(UpdateTerms& terms, const Model& /*model*/) override {
    for (UpdateSegment& segment : terms.segments) segment.l1 = epochs_ < 3 ? 1e-3 : 2e-3;
  }
  void after_step(Model& model, Stream& stream) override {
    ++steps;
    const Tensor value = model.value(0);
    stream.zero(value.data, size_of(value.dtype));  // its first weight
  }
  int steps = 0;

 private:
  int epochs_ = 0;
};

TEST(RecordedSteps, HooksHaveTheirSay) {
  std::vector<std::vector<double>> values[2];
  for (const bool record : {false, true}) {
    Training training(selftest::small_vgg(4), Precision::fp32, record);
    DecayingHook hook;
    const LrPhase phase{.factor = find_lr_schedule("cosine"), .base_rate = 0.05, .epochs = 4};
    const Cost cost = cost_of([&] {
      for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
        static_cast<void>(training.trainer().run_epoch(phase, epoch, training.observer, hook, {}));
      }
    });
    // Two programs; the terms of the third epoch are others.
    EXPECT_EQ(cost.instantiations, record ? 2 * 2 : 0);
    EXPECT_EQ(hook.steps, 4 * 3);
    values[record ? 1 : 0] = training.values();
    EXPECT_EQ(values[record ? 1 : 0][0][0], 0);
  }
  EXPECT_EQ(values[0], values[1]);
}

// The observer is told after the first step, after every so many, and after the last.
TEST(RecordedSteps, ProgressIsWhatWasReadBackLast) {
  struct Observer final : TrainObserver {
    void on_step(const StepReport& report) override {
      steps.push_back(report.step);
      samples.push_back(report.samples);
      EXPECT_TRUE(std::isfinite(report.loss));
    }
    std::vector<std::int64_t> steps, samples;
  };
  Training training(selftest::small_vgg(4), Precision::fp32, true, Input::resident, 6 * kBatch - 1);
  training.options.read_every = 3;
  Observer observer;
  const LrPhase phase{.factor = find_lr_schedule("constant"), .base_rate = 0.01, .epochs = 1};
  static_cast<void>(training.trainer().run_epoch(phase, 0, observer));
  EXPECT_EQ(observer.steps, (std::vector<std::int64_t>{0, 3, 5}));
  EXPECT_EQ(observer.samples, (std::vector<std::int64_t>{4, 16, 23}));
}

TEST(RecordedSteps, KnowWhereTheyWereInterrupted) {
  struct Impatient final : TrainObserver {
    bool stop_requested() override { return ++asked == 3; }
    int asked = 0;
  };
  Training training(selftest::small_vgg(4), Precision::fp32, true, Input::resident, 6 * kBatch);
  Impatient observer;
  const LrPhase phase{.factor = find_lr_schedule("constant"), .base_rate = 0.01, .epochs = 1};
  EXPECT_THROW(static_cast<void>(training.trainer().run_epoch(phase, 0, observer)), Interrupted);
  EXPECT_EQ(training.trainer().step(), 3);
}

// Timed steps are looked at one by one, and go on where recorded ones were.
TEST(RecordedSteps, CanBeLeftAndTakenUpAgain) {
  Training mixed(selftest::small_vgg(4, 0.3), Precision::fp16, true);
  Training looked_at(selftest::small_vgg(4, 0.3), Precision::fp16, false);
  expect_equal_epochs(mixed, looked_at, 2);
  mixed.trainer().time_steps();
  const Cost cost = cost_of([&] { expect_equal_epochs(mixed, looked_at, 1); });
  EXPECT_EQ(cost.graph_launches, 0);
  EXPECT_EQ(mixed.trainer().take_times().steps, 3);
}

}  // namespace
}  // namespace secateur
