// Convolutions that take batch norm along (graph/conv_fusion.h) on the simulated GPU: the same step as
// without, and as the float64 reference's; what they save; and where they are left alone.
#include <gtest/gtest.h>

#include <map>

#include "backend/cuda/cuda_device.h"
#include "secateur/core/error.h"
#include "secateur/prune/surgeon.h"
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
  const double bound = selftest::network_bound(Precision::fp16);
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
    expect_near(got, expected, bound, gradient_bound);
    expect_near(got, plain, bound, gradient_bound);
    // Running statistics that the fused step has updated are what an evaluation goes by.
    EXPECT_LT(selftest::relative_error(predictions(fused), predictions(reference)), bound);
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

}  // namespace
}  // namespace secateur
