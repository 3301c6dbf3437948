// Scores against Eqs. 1-13 written to the letter in float64, and what they must not depend on.
#include "secateur/prune/scorer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "scoring_reference.h"
#include "secateur/prune/criterion.h"
#include "selftest/prune_graphs.h"

namespace secateur {
namespace {

using selftest::WholeModel;
using test::expect_near;
using test::get;
using test::Map;
using test::normalized;
using test::scaled;
using test::Scoring;
using test::set;

struct Network {
  const char* name;
  Graph (*build)();
};
const std::vector<Network> kNetworks{
    {"vgg", [] { return selftest::small_vgg(); }}, {"resnet", [] { return selftest::small_resnet(); }},
    {"option_a", selftest::option_a_resnet},       {"concat", selftest::concat_network},
    {"grouped", selftest::grouped_network},        {"flat", selftest::flat_network}};

class ScorerOn : public testing::TestWithParam<std::tuple<Network, DeviceKind>> {
 protected:
  [[nodiscard]] Graph graph() const { return std::get<0>(GetParam()).build(); }
  [[nodiscard]] DeviceKind device() const { return std::get<1>(GetParam()); }
  // Maps of fp32 are themselves only so exact.
  [[nodiscard]] double tolerance() const { return device() == DeviceKind::reference ? 1e-10 : 2e-4; }
};

TEST_P(ScorerOn, ZerosAndMeansAreThoseOfTheMaps) {
  Scoring setup(graph(), device());
  for (const SpaceStatistics& space : setup.measure(setup.options(), {.activations = true})) {
    const auto taps = setup.maps_at_taps(space.space, TapStage::relu);
    std::vector<double> zeros(static_cast<std::size_t>(space.width), 0.0);
    std::vector<double> means = zeros;
    const double weight = 1.0 / static_cast<double>(taps.size() * taps.front().size());
    for (const auto& images : taps) {
      for (const std::vector<Map>& image : images) {
        for (std::size_t c = 0; c < image.size(); ++c) {
          const auto positions = static_cast<double>(image[c].size());
          zeros[c] += weight * static_cast<double>(std::ranges::count(image[c], 0.0)) / positions;
          means[c] += weight * std::accumulate(image[c].begin(), image[c].end(), 0.0) / positions;
        }
      }
    }
    // A map in fp32 may lie on the other side of zero at a position.
    expect_near(space.zero_fraction, zeros, 1e-2, space.name + " zeros");
    expect_near(space.mean_activation, means, tolerance(), space.name + " means");
  }
}

TEST_P(ScorerOn, FiltersAreTheProducersOwnInTheOrderOfTheMembers) {
  Scoring setup(graph(), device());
  const ChannelSpaces spaces(setup.whole.model.graph());
  for (const SpaceStatistics& space :
       setup.measure(setup.options(), {.filter_norms = true, .filters = true})) {
    for (const FilterStatistics& producer : space.producers) {
      const auto length = static_cast<std::size_t>(producer.weights_per_filter);
      ASSERT_EQ(producer.weights.size(), length * static_cast<std::size_t>(space.width)) << space.name;
      std::vector<double> sums(static_cast<std::size_t>(space.width), 0.0);
      for (std::size_t i = 0; i < producer.weights.size(); ++i)
        sums[i / length] += std::abs(producer.weights[i]);
      expect_near(sums, producer.l1, 1e-4, producer.node);
    }
  }
}

TEST_P(ScorerOn, RedundancyIsEquations5To10) {
  for (const CorrelationKind kind :
       {CorrelationKind::signed_mean, CorrelationKind::absolute_mean, CorrelationKind::squared_mean}) {
    for (const TapStage stage : {TapStage::relu, TapStage::bn, TapStage::conv}) {
      Scoring setup(graph(), device());
      const auto statistics = setup.measure(setup.options(3, kind, stage), {.redundancy = true});
      for (const SpaceStatistics& space : statistics) {
        expect_near(space.redundancy, setup.redundancy(space.space, kind, stage), tolerance(),
                    fmt::format("{} {} {}", space.name, option_name(kind), option_name(stage)));
        EXPECT_EQ(space.images, 7);
      }
    }
  }
}

TEST_P(ScorerOn, UnifiedScoreIsEquations1To13) {
  Scoring setup(graph(), device());
  const auto criterion = make_criterion("unified", {});
  const CriterionContext context{.alpha = 0.62, .beta = 0.42};
  for (const SpaceStatistics& space : setup.measure(setup.options(), criterion->needs())) {
    const std::vector<double> magnitude = setup.magnitude(space.space);
    std::vector<double> expected =
        normalized(setup.redundancy(space.space, CorrelationKind::signed_mean, TapStage::relu));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = 0.62 * magnitude[i] + 0.42 * (1.0 - expected[i]);
    }
    // Normalisation divides by the spread of the correlations, which may be small.
    expect_near(criterion->score(space, context), expected, 10 * tolerance(), space.name);
  }
}

TEST_P(ScorerOn, BatchesDoNotMatter) {
  Scoring setup(graph(), device());
  const CriterionNeeds needs{.redundancy = true};
  const auto whole = setup.measure(setup.options(7), needs);
  const auto parts = setup.measure(setup.options(2), needs);
  for (std::size_t s = 0; s < whole.size(); ++s) {
    expect_near(parts[s].redundancy, whole[s].redundancy, tolerance(), whole[s].name);
    EXPECT_EQ(parts[s].constant_images, whole[s].constant_images);
  }
}

TEST_P(ScorerOn, PairsAddUpToTheRedundancy) {
  Scoring setup(graph(), device());
  for (const CorrelationKind kind : {CorrelationKind::signed_mean, CorrelationKind::squared_mean}) {
    for (const SpaceStatistics& space : setup.measure(setup.options(3, kind), {.redundancy = true}, true)) {
      std::vector<std::int64_t> all(static_cast<std::size_t>(space.width));
      std::iota(all.begin(), all.end(), 0);
      expect_near(restricted(space, all).redundancy, space.redundancy, tolerance(), space.name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, ScorerOn,
                         testing::Combine(testing::ValuesIn(kNetworks),
                                          testing::Values(DeviceKind::reference, DeviceKind::cpu)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) + "_" +
                                  std::string(name_of(std::get<1>(test.param)));
                         });

TEST(Scorer, RedundancyIgnoresScaleAndOffsetOfAMap) {
  Scoring setup(selftest::small_vgg(), DeviceKind::reference);
  const auto measure = [&] {
    return setup.measure(setup.options(3, {}, TapStage::bn), {.redundancy = true})[0];
  };
  const SpaceStatistics before = measure();
  set(setup.whole, "conv1.bn.scale", 1, 40 * get(setup.whole, "conv1.bn.scale", 1));
  set(setup.whole, "conv1.bn.shift", 1, -17);
  set(setup.whole, "conv1.bn.shift", 4, 3);
  const SpaceStatistics after = measure();
  expect_near(after.redundancy, before.redundancy, 1e-10, "conv1");
}

TEST(Scorer, ADeadFilterIsConstantAndCorrelatesWithNothing) {
  Scoring setup(selftest::small_vgg(), DeviceKind::reference);
  set(setup.whole, "conv1.bn.scale", 2, 0.0);
  set(setup.whole, "conv1.bn.shift", 2, -1.0);
  const SpaceStatistics space = setup.measure(setup.options(), {.redundancy = true})[0];
  EXPECT_EQ(space.redundancy[2], 0.0);
  EXPECT_EQ(space.constant_images[2], 1.0);
  EXPECT_LT(space.constant_images[0], 1.0);
  for (const double value : space.redundancy) EXPECT_TRUE(std::isfinite(value));
}

// Makes channel `to` of conv1 a copy of channel `from`.
void duplicate(WholeModel& whole, std::size_t from, std::size_t to) {
  const std::int64_t p = whole.model.find_parameter("conv1.weight");
  std::vector<double> weights = whole.model.read(p, *whole.stream);
  const std::size_t length = weights.size() / 6;
  for (std::size_t i = 0; i < length; ++i) weights[to * length + i] = weights[from * length + i];
  whole.model.write(p, weights, *whole.stream);
  for (const char* role :
       {"conv1.bn.scale", "conv1.bn.shift", "conv1.bn.running_mean", "conv1.bn.running_variance"}) {
    set(whole, role, to, get(whole, role, from));
  }
}

TEST(Scorer, DuplicatedFiltersCorrelateFully) {
  Scoring setup(selftest::small_vgg(), DeviceKind::reference);
  set(setup.whole, "conv1.bn.shift", 1, 2.0);  // alive on every image
  duplicate(setup.whole, 1, 5);
  const SpaceStatistics space =
      setup.measure(setup.options(), {.filter_norms = true, .redundancy = true}, true)[0];
  EXPECT_NEAR(space.pairwise[1 * 6 + 5], 1.0, 1e-12);
  EXPECT_DOUBLE_EQ(space.producers[0].l1[1], space.producers[0].l1[5]);
  EXPECT_NEAR(space.redundancy[1], space.redundancy[5], 1e-12);
}

TEST(Scorer, OneChannelHasNoRedundancy) {
  Scoring setup(selftest::small_vgg(1), DeviceKind::reference);
  const SpaceStatistics space = setup.measure(setup.options(), {.filter_norms = true, .redundancy = true})[0];
  EXPECT_EQ(space.redundancy, (std::vector<double>{0.0}));
  EXPECT_EQ(make_criterion("unified", {})->score(space, {.alpha = 0.8, .beta = 0.3}),
            (std::vector<double>{0.3}));
}

TEST(Scorer, TheSampleChangesWithTheRoundAndIsNeverLongerThanTheSource) {
  Scoring setup(selftest::small_vgg(), DeviceKind::reference);
  Scorer scorer(setup.whole.model, setup.whole.arena, *setup.whole.stream,
                {.images = 1000, .batch = 40, .precision = setup.whole.precision});
  const auto first = scorer.measure(setup.prunable(), {.redundancy = true}, false, setup.source, 1);
  const auto again = scorer.measure(setup.prunable(), {.redundancy = true}, false, setup.source, 1);
  const auto second = scorer.measure(setup.prunable(), {.redundancy = true}, false, setup.source, 2);
  EXPECT_EQ(first[0].images, 64);
  EXPECT_EQ(first[0].redundancy, again[0].redundancy);
  EXPECT_NE(first[0].redundancy, second[0].redundancy);
}

TEST(Scorer, MemoryDoesNotGrowWithTheSample) {
  const auto peak = [](std::int64_t images) {
    Scoring setup(selftest::option_a_resnet(), DeviceKind::cpu, images);
    (void)setup.measure(setup.options(8), {.redundancy = true});
    return setup.whole.device->peak_bytes();
  };
  EXPECT_EQ(peak(8), peak(64));
  EXPECT_EQ(peak(8), peak(61));
}

TEST(Scorer, WeightsAloneNeedNoImages) {
  Scoring setup(selftest::small_resnet(), DeviceKind::reference);
  Scorer scorer(setup.whole.model, setup.whole.arena, *setup.whole.stream, setup.options());
  const auto statistics =
      scorer.measure(setup.prunable(), {.filter_norms = true, .norm_scales = true}, false, setup.source, 1);
  EXPECT_EQ(scorer.planned_bytes(), 0);
  EXPECT_EQ(statistics[0].norm_scales.size(), 2U);  // after the stem and after block1.conv2
  EXPECT_NEAR(statistics[0].norm_scales[1][3], std::abs(get(setup.whole, "block1.conv2.bn.scale", 3)), 1e-12);
}

// The first-order change of the loss, against the change itself when a map is scaled down a little. With a
// batch norm after the filters, scaling the map behind the ReLU by (1 - e) is scaling both scale and shift.
TEST(Scorer, TaylorIsTheSlopeOfTheLoss) {
  Scoring setup(selftest::small_vgg(), DeviceKind::reference, 1);
  const SpaceStatistics space = setup.measure(setup.options(1), {.gradients = true})[0];
  const double positions = 64;
  const auto loss = [&] {
    Program program(
        setup.whole.model, setup.whole.arena, *setup.whole.stream,
        {.batch = 1, .mode = ProgramMode::infer, .precision = setup.whole.precision, .with_loss = true});
    setup.source.begin_epoch(2);
    setup.source.fill(0, 1, *setup.whole.stream, program.images(), program.labels());
    program.forward({});
    return read_values(program.losses(), *setup.whole.stream)[0];
  };
  constexpr double kStep = 1e-6;
  for (std::size_t c = 0; c < 6; ++c) {
    const double scale = get(setup.whole, "conv1.bn.scale", c);
    const double shift = get(setup.whole, "conv1.bn.shift", c);
    const auto loss_at = [&](double factor) {
      set(setup.whole, "conv1.bn.scale", c, scale * factor);
      set(setup.whole, "conv1.bn.shift", c, shift * factor);
      return loss();
    };
    const double slope = (loss_at(1 + kStep) - loss_at(1 - kStep)) / (2 * kStep);
    (void)loss_at(1);
    EXPECT_NEAR(space.taylor[c], std::abs(slope) / positions, 1e-6) << c;
  }
}

}  // namespace
}  // namespace secateur
