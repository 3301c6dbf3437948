// Convolutions that take batch norm along (graph/conv_fusion.h) on the simulated GPU: the same step as
// without, and as the float64 reference's; what they save; and where they are left alone.
#include <gtest/gtest.h>

#include <map>

#include "backend/cuda/cuda_device.h"
#include "secateur/core/error.h"
#include "secateur/prune/surgeon.h"
#include "secateur/train/evaluator.h"
#include "secateur/train/finite.h"
#include "secateur/train/trainer.h"
#include "selftest/check.h"
#include "selftest/network_run.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"
#include "simt/executor.h"

namespace secateur {
namespace {

using selftest::run_training_step;
using selftest::StepResult;
using selftest::WholeModel;

constexpr std::int64_t kBatch = 4;
constexpr double kLossScale = 64;
constexpr double kSeparation = 0.6;  // of the classes' images, in deviations of the noise

class Builder {
 public:
  explicit Builder(std::int64_t extent) {
    last_ = graph_.add("image", "input", {},
                       {{"height", extent}, {"width", extent}, {"channels", std::int64_t{3}}});
  }
  Builder& from(NodeId id) {
    last_ = id;
    return *this;
  }
  Builder& conv(const std::string& name, std::int64_t channels, std::int64_t kernel, bool relu = true,
                std::int64_t groups = 1) {
    const NodeId x = graph_.add(
        name, "conv2d", {last_},
        {{"out_channels", channels}, {"kernel", kernel}, {"padding", (kernel - 1) / 2}, {"groups", groups}});
    last_ = graph_.add(name + ".bn", "batch_norm", {x}, {{"epsilon", 1e-4}, {"momentum", 0.2}});
    if (relu) last_ = graph_.add(name + ".relu", "relu", {last_});
    return *this;
  }
  Builder& pool(const std::string& name) {
    last_ = graph_.add(name, "max_pool", {last_}, {{"kernel", std::int64_t{2}}});
    return *this;
  }
  Builder& add(const std::string& name, NodeId other) {
    last_ = graph_.add(name, "add", {last_, other});
    last_ = graph_.add(name + ".relu", "relu", {last_});
    return *this;
  }
  [[nodiscard]] NodeId last() const { return last_; }
  Graph classifier() {
    last_ = graph_.add("pool", "global_avg_pool", {last_});
    graph_.add("fc", "linear", {last_}, {{"out_features", std::int64_t{4}}});
    return graph_;
  }

 private:
  Graph graph_;
  NodeId last_ = -1;
};

Graph vgg(std::int64_t width) {
  return Builder(8)
      .conv("conv1", width, 3)
      .conv("conv2", width, 3)
      .pool("pool1")
      .conv("conv3", 2 * width, 3)
      .conv("conv4", 2 * width, 3)
      .conv("conv5", width, 3)
      .classifier();
}

Graph bottleneck(std::int64_t width) {
  Builder builder(6);
  const NodeId x = builder.conv("stem", 2 * width, 3).last();
  builder.conv("conv1", width, 1).conv("conv2", width, 3).conv("conv3", 2 * width, 1, false);
  return builder.add("sum", x).classifier();
}

struct Network {
  std::string name;
  Graph graph;
  std::int64_t norm_act, statistics;  // convolutions by what becomes of them
};

std::vector<Network> networks() {
  return {{"resnet", selftest::small_resnet(8), 2, 4},
          {"resnet of odd widths", selftest::small_resnet(5), 2, 4},
          {"bottleneck", bottleneck(8), 2, 2},
          {"bottleneck of odd widths", bottleneck(11), 2, 2},
          {"vgg", vgg(8), 3, 2},
          {"vgg of odd widths", vgg(13), 3, 2}};
}

Graph grouped() {
  return Builder(6).conv("conv1", 16, 3).conv("conv2", 16, 3, true, 2).conv("conv3", 16, 1).classifier();
}

std::map<ConvFusion, std::int64_t> counts(std::span<const ConvFusionChoice> choices) {
  std::map<ConvFusion, std::int64_t> result;
  for (const ConvFusionChoice& choice : choices) ++result[choice.fusion];
  return result;
}

Program training_program(WholeModel& whole, ProgramOptions options = {}) {
  options.batch = kBatch;
  options.mode = ProgramMode::train;
  options.precision = whole.precision;
  return {whole.model, whole.arena, *whole.stream, std::move(options)};
}

std::vector<double> predictions(WholeModel& whole) {
  Program program(whole.model, whole.arena, *whole.stream, {.batch = kBatch, .precision = whole.precision});
  selftest::NoiseSource source(whole.model.graph().shape(0), 4, kBatch, 12);
  const Tensor images = program.images();
  const Slab labels(*whole.device, kBatch * size_of(DType::i32));
  source.fill(0, kBatch, *whole.stream, images, {labels.data(), DType::i32, {kBatch, 1, 1, 1}});
  program.forward({});
  return read_values(program.logits(), *whole.stream);
}

void expect_near(const StepResult& got, const StepResult& expected, double bound, double gradient_bound) {
  EXPECT_LT(selftest::relative_error(got.logits, expected.logits), bound);
  EXPECT_LT(selftest::relative_error(got.losses, expected.losses), bound);
  ASSERT_EQ(got.gradients.size(), expected.gradients.size());
  for (std::size_t i = 0; i < got.gradients.size(); ++i) {
    EXPECT_LT(selftest::relative_error(got.gradients[i], expected.gradients[i]), gradient_bound) << i;
  }
  ASSERT_EQ(got.statistics.size(), expected.statistics.size());
  for (std::size_t i = 0; i < got.statistics.size(); ++i) {
    EXPECT_LT(selftest::relative_error(got.statistics[i], expected.statistics[i]), bound) << i;
  }
}

TEST(FusedConvolutions, StepAsTheReferenceDoes) {
  // A tenth of what fp16 is allowed elsewhere, as the step without fusion has. Gradients of a few early
  // layers hang on single ReLUs; with and without fusion those are nearly the same.
  constexpr double kForward = 2e-3;
  constexpr double kApart = 0.06;
  const double gradient_bound = selftest::gradient_bound(Precision::fp16);
  for (const Network& network : networks()) {
    SCOPED_TRACE(network.name);
    WholeModel fused(network.graph, DeviceKind::cuda, Precision::fp16, 7);
    WholeModel unfused(network.graph, DeviceKind::cuda, Precision::fp16, 7);
    WholeModel reference(network.graph, DeviceKind::reference);
    for (WholeModel* whole : {&fused, &unfused, &reference}) selftest::disturb(*whole);
    auto choices = counts(training_program(fused).conv_fusions());
    EXPECT_EQ(choices[ConvFusion::norm_act], network.norm_act);
    EXPECT_EQ(choices[ConvFusion::statistics], network.statistics);
    EXPECT_EQ(choices[ConvFusion::none], 0);
    EXPECT_TRUE(training_program(unfused, {.fuse_convolutions = false}).conv_fusions().empty());

    const StepResult expected = run_training_step(reference, {}, kBatch);
    const StepResult got = run_training_step(fused, {}, kBatch, kLossScale);
    const StepResult plain = run_training_step(unfused, {.fuse_convolutions = false}, kBatch, kLossScale);
    expect_near(got, expected, kForward, gradient_bound);
    expect_near(got, plain, kForward, kApart);
    // Running statistics that the fused step has updated are what an evaluation goes by.
    EXPECT_LT(selftest::relative_error(predictions(fused), predictions(reference)), 10 * kForward);
  }
}

TEST(FusedConvolutions, RepeatBitForBit) {
  std::vector<StepResult> results;
  for (int i = 0; i < 2; ++i) {
    WholeModel whole(vgg(8), DeviceKind::cuda, Precision::fp16, 7);
    results.push_back(run_training_step(whole, {}, kBatch, kLossScale));
  }
  EXPECT_EQ(results[0].losses, results[1].losses);
  EXPECT_EQ(results[0].gradients, results[1].gradients);
  EXPECT_EQ(results[0].statistics, results[1].statistics);
}

// Where there is no engine, the layer runs as it always did, and says why.
TEST(FusedConvolutions, SayWhyTheyAreLeftAlone) {
  struct Case {
    Graph graph;
    Precision precision;
    std::int64_t channel_padding;
    std::string reason;
  };
  for (const Case& tested : {Case{vgg(8), Precision::bf16, 0, "in fp16 alone, not in bf16"},
                             Case{vgg(8), Precision::fp32, 0, "in fp16 alone, not in fp32"},
                             // Not stored in whole vectors: the image's three channels, and seven of maps.
                             Case{vgg(7), Precision::fp16, 1, "not from 3 to 7"},
                             Case{grouped(), Precision::fp16, 0, "the convolution has groups"}}) {
    SCOPED_TRACE(tested.reason);
    WholeModel whole(tested.graph, DeviceKind::cuda, tested.precision, 7);
    const Program program = training_program(whole, {.channel_padding = tested.channel_padding});
    auto choices = counts(program.conv_fusions());
    EXPECT_EQ(choices[ConvFusion::norm_act], 0);
    bool told = false;
    for (const ConvFusionChoice& choice : program.conv_fusions()) {
      EXPECT_EQ(choice.reason.empty(), choice.fusion == ConvFusion::norm_act) << choice.layer;
      told = told || choice.reason.find(tested.reason) != std::string::npos;
    }
    EXPECT_TRUE(told);
  }
}

// One odd layer among others: only what touches it is left alone.
TEST(FusedConvolutions, AGroupedLayerLeavesTheOthersFused) {
  WholeModel fused(grouped(), DeviceKind::cuda, Precision::fp16, 7);
  WholeModel reference(grouped(), DeviceKind::reference);
  const Program program = training_program(fused);
  const std::span<const ConvFusionChoice> choices = program.conv_fusions();
  ASSERT_EQ(choices.size(), 3U);
  EXPECT_EQ(choices[0].fusion, ConvFusion::statistics);
  EXPECT_EQ(choices[1].fusion, ConvFusion::none);
  EXPECT_EQ(choices[1].reason, "the convolution has groups");
  EXPECT_EQ(choices[2].fusion, ConvFusion::statistics);
  EXPECT_EQ(choices[2].reason, "reads a batch norm whose statistics no convolution takes");
  expect_near(run_training_step(fused, {}, kBatch, kLossScale), run_training_step(reference, {}, kBatch),
              selftest::network_bound(Precision::fp16), selftest::gradient_bound(Precision::fp16));
}

// What is saved: the normalised maps, and launches.
TEST(FusedConvolutions, SaveMapsAndLaunches) {
  WholeModel whole(vgg(8), DeviceKind::cuda, Precision::fp16, 7);
  const auto cost = [&](bool fuse) {
    const std::int64_t before = simt::statistics().launches;
    static_cast<void>(run_training_step(whole, {.fuse_convolutions = fuse}, kBatch));
    const Program program = training_program(whole, {.fuse_convolutions = fuse});
    return std::pair(simt::statistics().launches - before, program.planned_bytes());
  };
  const auto [fused_launches, fused_bytes] = cost(true);
  const auto [plain_launches, plain_bytes] = cost(false);
  // Forward, each of the 5 batch norms has one kernel for its statistics instead of two, and 3 have none that
  // applies them; backward, those 3 have none that adds up and none that merges sums.
  EXPECT_EQ(plain_launches - fused_launches, 5 + 3 + 2 * 3);
  // The normalised maps of conv1, conv3 and conv4, which live to the backward pass without fusion.
  const std::int64_t maps = kBatch * (8 * 8 * 8 + 2 * (4 * 4 * 16)) * size_of(DType::f16);
  EXPECT_GE(plain_bytes - fused_bytes, maps / 2);
  EXPECT_LE(plain_bytes - fused_bytes, 2 * maps);
}

// After a removal only layers whose stored widths have changed are planned anew; odd widths run on padding
// lanes.
TEST(FusedConvolutions, GoOnAfterARemoval) {
  WholeModel fused(vgg(16), DeviceKind::cuda, Precision::fp16, 7);
  WholeModel reference(vgg(16), DeviceKind::reference);
  ConvPlanCache& plans = cuda_stream(*fused.stream).conv_plans();
  const auto made_by = [&] {
    const std::int64_t before = plans.made();
    auto choices = counts(training_program(fused).conv_fusions());
    EXPECT_EQ(choices[ConvFusion::norm_act], 3);
    EXPECT_EQ(choices[ConvFusion::statistics], 2);
    return plans.made() - before;
  };
  const auto remove = [](WholeModel& whole, const std::string& layer, std::int64_t count) {
    const ChannelSpaces spaces(whole.model.graph());
    KeptMembers kept = spaces.keep_all();
    const NodeId node = whole.model.graph().find(layer);
    auto& members = kept.at(static_cast<std::size_t>(spaces.space_of_producer(node)));
    members.resize(members.size() - static_cast<std::size_t>(count));
    whole.arena.clear();
    static_cast<void>(apply_plan(whole.model, PruningPlan::from_members(spaces, kept), *whole.stream));
  };
  EXPECT_GT(made_by(), 0);
  EXPECT_EQ(made_by(), 0);
  remove(fused, "conv3", 3);  // 32 to 29 channels, stored as 32
  EXPECT_EQ(made_by(), 0);
  remove(fused, "conv3", 8);  // to 21, stored as 24
  // conv3 (statistics, and its two gradients) and conv4 (three passes) are other problems now.
  EXPECT_EQ(made_by(), 3 + 3);
  remove(reference, "conv3", 11);
  expect_near(run_training_step(fused, {}, kBatch, kLossScale), run_training_step(reference, {}, kBatch),
              selftest::network_bound(Precision::fp16), selftest::gradient_bound(Precision::fp16));
}

// A channel far from zero that hardly varies: its offset is past fp16, which the batch norm by itself can do.
// The step is looked at without fusion, and that is what is told.
TEST(FusedConvolutions, AnOverflowOfTheirOwnIsNamed) {
  const auto train = [](bool fuse) {
    WholeModel whole(bottleneck(8), DeviceKind::cuda, Precision::fp16, 7);
    const auto set = [&](const std::string& name, double value) {
      const std::int64_t p = whole.model.find_parameter(name);
      std::vector<double> values = whole.model.read(p, *whole.stream);
      std::ranges::fill(values, value);
      whole.model.write(p, values, *whole.stream);
    };
    set("stem.bn.scale", 0);
    set("stem.bn.shift", 60);
    set("conv1.weight", 1);  // 16 channels of 60 sum up to 960, of which 1 / sqrt(epsilon) makes 96000
    selftest::NoiseSource source(whole.model.graph().shape(0), 4, 2 * kBatch, 1);
    Trainer trainer(whole.model, whole.arena, *whole.stream, source,
                    {.batch = kBatch, .precision = Precision::fp16, .sgd = {}, .fuse_convolutions = fuse});
    TrainObserver observer;
    const LrPhase phase{.factor = find_lr_schedule("constant"), .base_rate = 1e-3, .epochs = 1};
    static_cast<void>(trainer.run_epoch(phase, 0, observer));
  };
  EXPECT_NO_THROW(train(false));
  try {
    train(true);
    ADD_FAILURE() << "no error";
  } catch (const NonFiniteError& error) {
    EXPECT_NE(std::string(error.what()).find("--fuse off"), std::string::npos) << error.what();
  }
}

// A layer whose weights overflow is named as it is without fusion.
TEST(FusedConvolutions, ALossThatIsNotFiniteNamesTheLayer) {
  for (const bool fuse : {true, false}) {
    WholeModel whole(vgg(8), DeviceKind::cuda, Precision::fp16, 7);
    const std::int64_t weight = whole.model.find_parameter("conv4.weight");
    std::vector<double> values = whole.model.read(weight, *whole.stream);
    values[7] = 1e6;  // past the largest fp16
    whole.model.write(weight, values, *whole.stream);
    selftest::NoiseSource source(whole.model.graph().shape(0), 4, 2 * kBatch, 1);
    Trainer trainer(whole.model, whole.arena, *whole.stream, source,
                    {.batch = kBatch, .precision = Precision::fp16, .sgd = {}, .fuse_convolutions = fuse});
    TrainObserver observer;
    const LrPhase phase{.factor = find_lr_schedule("constant"), .base_rate = 1e-3, .epochs = 1};
    try {
      static_cast<void>(trainer.run_epoch(phase, 0, observer));
      ADD_FAILURE() << "no error";
    } catch (const NonFiniteError& error) {
      EXPECT_EQ(error.layer(), "conv4") << error.what();
    }
  }
}

// After some epochs every precision has learnt the same, to within what chance makes of 128 answers.
TEST(FusedConvolutions, LearnWhatEveryPrecisionLearns) {
  struct Run {
    Precision precision;
    bool fuse;
    std::int64_t norm_act;
  };
  std::vector<double> accuracies;
  for (const Run& run : {Run{Precision::fp32, true, 0}, Run{Precision::bf16, true, 0},
                         Run{Precision::fp16, false, 0}, Run{Precision::fp16, true, 1}}) {
    WholeModel whole(Builder(4).conv("conv1", 8, 3).conv("conv2", 8, 3).classifier(), DeviceKind::cuda,
                     run.precision, 7);
    selftest::NoiseSource source(whole.model.graph().shape(0), 4, 64, 1, kSeparation);
    Trainer trainer(
        whole.model, whole.arena, *whole.stream, source,
        {.batch = 16, .precision = run.precision, .sgd = {.momentum = 0.9}, .fuse_convolutions = run.fuse});
    EXPECT_EQ(counts(trainer.program().conv_fusions())[ConvFusion::norm_act], run.norm_act);
    TrainObserver observer;
    constexpr std::int64_t kEpochs = 5;
    const LrPhase phase{.factor = find_lr_schedule("cosine"), .base_rate = 0.1, .epochs = kEpochs};
    for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
      static_cast<void>(trainer.run_epoch(phase, epoch, observer));
    }
    // The first epoch's 64 samples, and as many that were never seen.
    selftest::NoiseSource questions(whole.model.graph().shape(0), 4, 128, 1, kSeparation);
    Evaluator evaluator(whole.model, whole.arena, *whole.stream, 32, run.precision);
    accuracies.push_back(evaluator.run(questions).top1);
  }
  const double expected = accuracies.front();
  EXPECT_GT(expected, 0.6);
  EXPECT_LT(expected, 0.98) << "too easy to tell networks apart";
  const double deviation = std::sqrt(expected * (1 - expected) / 128);
  for (const double accuracy : accuracies) EXPECT_NEAR(accuracy, expected, 2 * deviation);
}

}  // namespace
}  // namespace secateur
