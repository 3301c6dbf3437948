// Scores and rankings of channels against Torch-Pruning's (make_rankings.py, which says what each array is).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "golden/golden_file.h"
#include "secateur/core/host_values.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/scope.h"
#include "secateur/prune/scorer.h"
#include "secateur/prune/selection.h"
#include "selftest/whole_model.h"

namespace secateur::selftest {
namespace {

class NetworkBuilder {
 public:
  NetworkBuilder() {
    x = graph.add("images", "input", {},
                  {{"height", std::int64_t{8}}, {"width", std::int64_t{8}}, {"channels", std::int64_t{3}}});
  }
  NodeId conv(const std::string& name, NodeId in, std::int64_t channels, std::int64_t kernel = 3,
              std::int64_t stride = 1) {
    return graph.add(
        name, "conv2d", {in},
        {{"out_channels", channels}, {"kernel", kernel}, {"stride", stride}, {"padding", kernel / 2}});
  }
  NodeId norm(const std::string& name, NodeId in) { return graph.add(name, "batch_norm", {in}); }
  NodeId relu(NodeId in) { return graph.add(fmt::format("relu{}", in), "relu", {in}); }
  void head(NodeId in, std::int64_t classes) {
    graph.add("fc", "linear", {graph.add("pool", "global_avg_pool", {in})}, {{"out_features", classes}});
  }

  Graph graph;
  NodeId x;
};

Graph chain() {
  NetworkBuilder b;
  NodeId x = b.relu(b.norm("bn1", b.conv("conv1", b.x, 9)));
  x = b.relu(b.norm("bn2", b.conv("conv2", x, 11)));
  x = b.graph.add("max", "max_pool", {x}, {{"kernel", std::int64_t{2}}});
  b.head(b.relu(b.conv("conv3", x, 7)), 4);
  return std::move(b.graph);
}

Graph residual() {
  NetworkBuilder b;
  const auto conv_bn = [&](const std::string& name, NodeId in, std::int64_t channels, std::int64_t kernel,
                           std::int64_t stride) {
    return b.norm(name + "_bn", b.conv(name, in, channels, kernel, stride));
  };
  NodeId x = b.relu(conv_bn("stem", b.x, 8, 3, 1));
  NodeId branch = conv_bn("conv2", b.relu(conv_bn("conv1", x, 9, 3, 1)), 8, 3, 1);
  x = b.relu(b.graph.add("add1", "add", {x, branch}));
  branch = conv_bn("conv4", b.relu(conv_bn("conv3", x, 11, 3, 2)), 10, 3, 1);
  b.head(b.relu(b.graph.add("add2", "add", {branch, conv_bn("shortcut", x, 10, 1, 2)})), 5);
  return std::move(b.graph);
}

class GoldenImages final : public BatchSource {
 public:
  GoldenImages(const GoldenFile& golden, const std::string& network)
      : images_(golden.array(network + "/images")), labels_(golden.values(network + "/labels")) {}
  [[nodiscard]] std::int64_t size() const override { return images_.shape[0]; }
  [[nodiscard]] MapShape image_shape() const override {
    return {images_.shape[1], images_.shape[2], images_.shape[3]};
  }
  [[nodiscard]] std::int64_t num_classes() const override { return 5; }
  void begin_epoch(std::int64_t /*epoch*/) override {}
  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) override {
    const std::int64_t size = static_cast<std::int64_t>(images_.values.size()) / images_.shape[0];
    const auto from = images_.values.begin() + first * size;
    write_values(images, {from, from + count * size}, stream);
    write_values(labels, {labels_.begin() + first, labels_.begin() + first + count}, stream);
  }

 private:
  const GoldenArray& images_;
  const std::vector<double>& labels_;
};

struct Case {
  const char* network;
  Graph (*build)();
};

// The channels in the order in which they would go.
std::vector<std::int64_t> ranking(const std::vector<double>& scores) {
  std::vector<std::int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {},
                           [&](std::int64_t channel) { return scores[static_cast<std::size_t>(channel)]; });
  return order;
}

struct Measured {
  GoldenFile golden{"rankings.golden"};
  std::string network;
  WholeModel whole;
  GoldenImages source;

  explicit Measured(const Case& c)
      : network(c.network), whole(c.build(), DeviceKind::reference), source(golden, c.network) {
    for (std::size_t p = 0; p < whole.model.parameters().size(); ++p) {
      const std::string& name = whole.model.parameters()[p].name;
      whole.model.write(static_cast<std::int64_t>(p), golden.values(network + "/initial/" + name),
                        *whole.stream);
    }
  }

  std::vector<SpaceStatistics> measure(std::string_view criterion) {
    Scorer scorer(whole.model, whole.arena, *whole.stream,
                  {.images = 6, .batch = 4, .precision = whole.precision, .taps = TapStage::conv});
    const ChannelSpaces spaces(whole.model.graph());
    const auto prunable = prunable_spaces(whole.model.graph(), spaces, PruneScope::all, {});
    return scorer.measure(prunable, make_criterion(criterion, {})->needs(), false, source, 0);
  }

  [[nodiscard]] std::vector<double> theirs(std::string_view criterion, const std::string& layer) const {
    return golden.values(fmt::format("{}/{}/{}", network, criterion, layer));
  }
};

class RankingsGolden : public ::testing::TestWithParam<Case> {};

// Torch-Pruning reduces in float32.
constexpr double kBound = 1e-6;

void expect_same_order(const std::vector<double>& ours, const std::vector<double>& theirs,
                       const std::string& what) {
  EXPECT_EQ(ranking(ours), ranking(theirs)) << what;
}

// Theirs is of one layer: spaces with several producers are compared by the producers' statistics below.
void compare_single_producers(const Case& c, std::string_view criterion, bool values) {
  Measured measured(c);
  std::size_t compared = 0;
  for (const SpaceStatistics& space : measured.measure(criterion)) {
    if (space.producers.size() > 1) continue;
    const std::string what = fmt::format("{} {} {}", c.network, criterion, space.name);
    const std::vector<double> ours = make_criterion(criterion, {})->score(space, {});
    const std::vector<double> theirs = measured.theirs(criterion, space.producers[0].node);
    expect_same_order(ours, theirs, what);
    if (values) {
      EXPECT_LE(relative_error(ours, theirs), kBound) << what;
    }
    ++compared;
  }
  EXPECT_EQ(compared, std::string_view(c.network) == "chain" ? 3U : 2U);
}

TEST_P(RankingsGolden, Magnitude) {
  compare_single_producers(GetParam(), "l1", false);
  compare_single_producers(GetParam(), "l2", false);
  Measured measured(GetParam());
  for (const SpaceStatistics& space : measured.measure("l1")) {
    for (const FilterStatistics& producer : space.producers) {
      EXPECT_LE(relative_error(producer.l1, measured.theirs("l1", producer.node)), kBound) << producer.node;
      std::vector<double> squares = producer.l2;
      for (double& value : squares) value *= value;
      EXPECT_LE(relative_error(squares, measured.theirs("l2", producer.node)), kBound) << producer.node;
    }
  }
}

TEST_P(RankingsGolden, Lamp) { compare_single_producers(GetParam(), "lamp", true); }

TEST_P(RankingsGolden, Snip) { compare_single_producers(GetParam(), "snip", true); }

TEST_P(RankingsGolden, Obd) { compare_single_producers(GetParam(), "obd", true); }

TEST_P(RankingsGolden, GeometricMedianOfFiltersWithoutSigns) {
  Measured measured(GetParam());
  const auto criterion = make_criterion("fpgm", {});
  for (SpaceStatistics space : measured.measure("fpgm")) {
    if (space.producers.size() > 1) continue;
    for (double& weight : space.producers[0].weights) weight = std::abs(weight);
    expect_same_order(criterion->score(space, {}), measured.theirs("fpgm", space.name), space.name);
  }
}

// Of the convolutions' own outputs; every producer of a trunk is a tap of its own there, and ours is their
// mean.
TEST_P(RankingsGolden, Taylor) {
  Measured measured(GetParam());
  const ChannelSpaces spaces(measured.whole.model.graph());
  for (const SpaceStatistics& space : measured.measure("taylor")) {
    std::vector<double> theirs(static_cast<std::size_t>(space.width), 0.0);
    for (const SpaceProducer& producer : spaces.space(space.space).producers) {
      const Node& node = measured.whole.model.graph().node(producer.node);
      const MapShape shape = measured.whole.model.graph().shape(producer.node);
      const std::vector<double> of_layer = measured.theirs("taylor", node.name);
      const auto scale =
          static_cast<double>(shape.height * shape.width) * static_cast<double>(space.producers.size());
      for (std::size_t i = 0; i < theirs.size(); ++i) theirs[i] += of_layer[i] / scale;
    }
    EXPECT_LE(relative_error(space.taylor, theirs), kBound) << space.name;
    expect_same_order(make_criterion("taylor", {})->score(space, {}), theirs, space.name);
  }
}

TEST_P(RankingsGolden, GroupNormOfWholeGroups) {
  Measured measured(GetParam());
  for (const SpaceStatistics& space : measured.measure("group_norm")) {
    const std::vector<double> ours = make_criterion("group_norm", {})->score(space, {});
    // From whichever layer theirs grows, the group is the same.
    for (const FilterStatistics& producer : space.producers) {
      const std::vector<double> theirs = measured.theirs("group_norm", producer.node);
      EXPECT_LE(relative_error(ours, theirs), kBound) << producer.node;
      expect_same_order(ours, theirs, producer.node);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(TorchPruning, RankingsGolden,
                         ::testing::Values(Case{"chain", chain}, Case{"residual", residual}),
                         [](const auto& test) { return std::string(test.param.network); });

}  // namespace
}  // namespace secateur::selftest
