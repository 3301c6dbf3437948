// Layers of networks as networks of their own; the table of their times, its file, and what it foretells,
// against values made by hand.
#include "secateur/runtime/layer_times.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "io/damaged_text.h"
#include "secateur/core/error.h"
#include "secateur/graph/cost.h"
#include "secateur/models/models.h"
#include "secateur/prune/pruning_plan.h"
#include "secateur/prune/scope.h"
#include "secateur/runtime/layer_timer.h"

namespace secateur {
namespace {

TimingConditions conditions() { return {"a processor", "secateur 0", "fp32", 4, 2, "32x32x3"}; }

std::int64_t macs_of(const std::vector<Layer>& layers) {
  std::int64_t macs = 0;
  for (const Layer& layer : layers) macs += cost_of(layer_graph(layer, layer.in, layer.out)).macs;
  return macs;
}

Graph half_as_wide(const Graph& graph) {
  const ChannelSpaces spaces(graph);
  std::vector<std::int64_t> widths;
  for (const ChannelSpace& space : spaces.spaces()) widths.push_back(space.width);
  for (const std::int64_t index : prunable_spaces(graph, spaces, PruneScope::all, {})) {
    widths[static_cast<std::size_t>(index)] /= 2;
  }
  return graph_with_widths(graph, spaces, widths);
}

// Every multiply-add is in one layer, as the network is and cut.
TEST(NetworkLayers, HoldEveryMultiplyAddOnce) {
  for (const auto& [name, description] : models::list()) {
    const Graph graph = models::build(name);
    EXPECT_EQ(macs_of(layers_of(graph)), cost_of(graph).macs) << name;
    const Graph cut = half_as_wide(graph);
    EXPECT_EQ(macs_of(layers_of(cut)), cost_of(cut).macs) << name;
  }
}

TEST(NetworkLayers, AreWhatRunsAsOnePiece) {
  const std::vector<Layer> layers = layers_of(models::build("resnet8"));
  ASSERT_FALSE(layers.empty());
  EXPECT_EQ(layers.front().name, "conv1");
  EXPECT_TRUE(layers.front().reads_image);
  EXPECT_EQ(layers.front().kind, "conv2d kernel=3 padding=1 stride=1 of 32x32, batch_norm, relu");
  EXPECT_TRUE(layers.back().is_output);
  EXPECT_EQ(layers.back().out, 10);
  const auto last = std::ranges::find(layers, "layer1.0.conv2", &Layer::name);
  ASSERT_NE(last, layers.end());
  EXPECT_EQ(last->kind, "conv2d kernel=3 padding=1 stride=1 of 32x32, batch_norm, add, relu");
  ASSERT_EQ(last->sources.size(), 2U);  // the residual is a source of its own
  EXPECT_EQ(layer_graph(*last, 8, 24).shape(0).channels, 8);
  EXPECT_EQ(layer_graph(*last, 8, 24).shape(1).channels, 24);
  // A layer of the same kind in the cut network: its widths alone have changed.
  const std::vector<Layer> cut = layers_of(half_as_wide(models::build("resnet8")));
  ASSERT_EQ(cut.size(), layers.size());
  for (std::size_t i = 0; i < cut.size(); ++i) {
    EXPECT_EQ(cut[i].name, layers[i].name);
    EXPECT_EQ(cut[i].kind, layers[i].kind);
  }
}

Layer layer(std::int64_t in, std::int64_t out) {
  Layer one;
  one.name = "conv";
  one.kind = "conv";
  one.in = in;
  one.out = out;
  return one;
}

TEST(LayerGrid, IsTheLeastGranuleQuartersAndTheWhole) {
  using Widths = std::vector<std::int64_t>;
  EXPECT_EQ(grid_of(layer(64, 128), 8).in, (Widths{8, 16, 32, 48, 64}));
  EXPECT_EQ(grid_of(layer(64, 128), 8).out, (Widths{8, 32, 64, 96, 128}));
  EXPECT_EQ(grid_of(layer(16, 10), 8).in, (Widths{8, 16}));
  EXPECT_EQ(grid_of(layer(16, 10), 8).out, (Widths{8, 10}));  // a width that is no multiple stays the last
  EXPECT_EQ(grid_of(layer(16, 3), 1).out, (Widths{1, 2, 3}));
  Layer first = layer(3, 16);
  first.reads_image = true;
  EXPECT_EQ(grid_of(first, 8).in, Widths{3});
  Layer grouped = layer(24, 24);
  grouped.groups = 3;
  EXPECT_EQ(grid_of(grouped, 4).in, (Widths{12, 24}));
  Layer passing = layer(32, 32);
  passing.widths = LayerWidths::passing;
  EXPECT_TRUE(grid_of(passing, 8).in.empty());
}

// Seconds that are linear in each width are met everywhere, and not at the measured widths alone.
double by_hand(std::int64_t in, std::int64_t out) {
  return 1e-4 + 2e-6 * static_cast<double>(in) + 3e-6 * static_cast<double>(out) +
         1e-7 * static_cast<double>(in * out);
}

// Two convolutions in a row, from 3 over `first` to `second` channels.
Graph chain(std::int64_t first, std::int64_t second) {
  Graph graph;
  NodeId at =
      graph.add("image", "input", {},
                {{"height", std::int64_t{8}}, {"width", std::int64_t{8}}, {"channels", std::int64_t{3}}});
  at = graph.add("a", "conv2d", {at},
                 {{"out_channels", first}, {"kernel", std::int64_t{3}}, {"padding", std::int64_t{1}}});
  at = graph.add("b", "conv2d", {at}, {{"out_channels", second}, {"kernel", std::int64_t{1}}});
  at = graph.add("pool", "global_avg_pool", {at});
  graph.add("classes", "linear", {at}, {{"out_features", std::int64_t{10}}});
  return graph;
}

// A table with a time of `of` for every layer and width of the grid, and of `whole` for the network.
template <class Time>
LayerTimes filled(const Graph& graph, std::int64_t granule, const Time& of, double whole) {
  LayerTimes times(conditions());
  for (const Measurement& one : measurements_for(graph, granule)) {
    const double seconds = one.kind.starts_with("network") ? whole : of(one.in, one.out);
    times.set(one.kind, one.in, one.out, {seconds, 0.01, 9});
  }
  return times;
}

double sum_by_hand(std::int64_t first, std::int64_t second) {
  return by_hand(3, first) + by_hand(first, second) + by_hand(second, second) + by_hand(second, 10);
}

TEST(LatencyModel, InterpolatesBetweenMeasuredWidths) {
  const Graph graph = chain(32, 64);
  // Pooling passes channels on: in and out are one width there, in which a product is not linear.
  const auto time = [](std::int64_t in, std::int64_t out) { return in == out ? 1e-3 : by_hand(in, out); };
  const double passing = 1e-3;
  const double whole = by_hand(3, 32) + by_hand(32, 64) + passing + by_hand(64, 10);
  const LatencyModel model(graph, filled(graph, 8, time, whole), 8);
  EXPECT_NEAR(model.factor(), 1, 1e-12);
  EXPECT_NEAR(model.seconds(graph), whole, 1e-15);
  // 24 -> 48 is measured; the others lie within a cell of the grid whose corners have widths that differ.
  for (const auto& [first, second] : {std::pair{24, 48}, {12, 40}, {20, 56}, {9, 57}}) {
    const double hand = by_hand(3, first) + by_hand(first, second) + passing + by_hand(second, 10);
    EXPECT_NEAR(model.seconds(chain(first, second)), hand, 1e-12) << first << " " << second;
  }
}

TEST(LatencyModel, BelowTheLeastWidthIsItsTime) {
  const Graph graph = chain(32, 64);
  const LatencyModel model(graph, filled(graph, 8, by_hand, sum_by_hand(32, 64)), 8);
  EXPECT_DOUBLE_EQ(model.seconds(chain(4, 8)), model.seconds(chain(8, 8)));
}

TEST(LatencyModel, MultipliesByWhatTheWholeNetworkTakesOverItsLayers) {
  const Graph graph = chain(32, 64);
  const double sum = sum_by_hand(32, 64);
  const LatencyModel model(graph, filled(graph, 8, by_hand, 1.5 * sum), 8);
  EXPECT_NEAR(model.factor(), 1.5, 1e-12);
  EXPECT_NEAR(model.seconds(graph), 1.5 * sum, 1e-15);
  EXPECT_NEAR(model.seconds(chain(16, 32)), 1.5 * sum_by_hand(16, 32), 1e-12);  // points of every axis
  EXPECT_DOUBLE_EQ(model.whole().seconds, 1.5 * sum);
}

TEST(LatencyModel, NamesWhatIsMissing) {
  const Graph graph = chain(32, 64);
  LayerTimes times(conditions());
  const auto message = [&](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(message([&] { LatencyModel(graph, times, 8); }).find("3 -> 8"), std::string::npos);
  const LatencyModel model(graph, filled(graph, 8, by_hand, 1e-3), 8);
  Graph other = chain(32, 64);
  other.add("more", "relu", {other.output()});
  EXPECT_NE(message([&] { static_cast<void>(model.seconds(other)); }).find("'more'"), std::string::npos);
}

LayerTimes small_table() {
  LayerTimes times(conditions());
  times.set("conv", 3, 16, {1.25e-3, 0.02, 9});
  times.set("conv", 3, 32, {2.5e-3, 0, 11});
  return times;
}

TEST(LayerTimesFile, IsReadAsItWasWritten) {
  const LayerTimes times = small_table();
  EXPECT_EQ(LayerTimes::parse(times.to_json(), "file"), times);
  EXPECT_EQ(LayerTimes::parse(LayerTimes(conditions()).to_json(), "file").size(), 0);
}

LayerTimes parse(const std::string& text) { return LayerTimes::parse(text, "file"); }

// Cut short anywhere or changed in any byte, it is refused with a message, or read as some table.
TEST(LayerTimesFile, DamageIsNamedAndNeverCrashes) {
  test::expect_damage_is_named(small_table().to_json(), std::string_view("\0009-\"}\x80", 6), parse);
}

TEST(LayerTimesFile, WhatIsNoTimeIsRefused) {
  const std::string text = small_table().to_json();
  const auto refused = [&](std::string_view what, std::string_view with, std::string_view told) {
    test::expect_refused(text, what, with, told, parse);
  };
  refused("0.00125", "-0.00125", "'seconds'");
  refused("0.00125", "0", "'seconds'");
  refused("0.00125", "1e300", "'seconds'");
  refused("0.00125", "\"fast\"", "'seconds'");
  refused("\"in\": 3", "\"in\": 0", "'in'");
  refused("\"in\": 3", "\"in\": 18446744073709551615", "'in'");
  refused("\"out\": 32", "\"out\": 16", "repeats");
  refused("\"version\": 1", "\"version\": 2", "version 2");
  refused("secateur layer times", "something else", "something else");
  refused("\"batch\": 4", "\"batch\": 0", "'batch'");
  refused("\"entries\": [", "\"entries\": [[], ", "entry 0");
}

TEST(LayerTimer, MedianAndQuartilesByHand) {
  const LayerTime odd = summary_of({5, 1, 3, 2, 4});
  EXPECT_DOUBLE_EQ(odd.seconds, 3);
  EXPECT_DOUBLE_EQ(odd.spread, 2.0 / 3);  // quartiles 2 and 4
  EXPECT_EQ(odd.samples, 5);
  EXPECT_DOUBLE_EQ(summary_of({1, 2}).seconds, 1.5);
  EXPECT_THROW(static_cast<void>(summary_of({})), Error);
}

// Every layer of a network runs alone, at its own widths and the least of the grid.
TEST(LayerTimer, RunsEveryLayerOfANetwork) {
  const auto device = make_host_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  Arena arena(*device);
  const TimerOptions once{.batch = 1, .seconds = 0, .samples = 1};
  for (const std::string name : {"resnet8", "vgg16"}) {
    for (const Layer& one : layers_of(models::build(name))) {
      const LayerGrid grid = grid_of(one, 8);
      const std::int64_t out = grid.out.front();
      const std::int64_t in = grid.in.empty() ? out : grid.in.front();
      const LayerTime time = time_of_inference(layer_graph(one, in, out), arena, *stream, once);
      EXPECT_GT(time.seconds, 0) << one.name;
      EXPECT_EQ(time.samples, 1);
    }
  }
}

}  // namespace
}  // namespace secateur
