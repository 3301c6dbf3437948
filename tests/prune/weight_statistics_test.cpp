// What the scorer finds out about weights: what a channel touches against what the Surgeon removes, gradients
// against differences of the loss.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "secateur/core/rng.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/scope.h"
#include "secateur/prune/scorer.h"
#include "secateur/prune/surgeon.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::WholeModel;

struct Network {
  const char* name;
  Graph (*build)();
};
const std::vector<Network> kNetworks{
    {"vgg", [] { return selftest::small_vgg(); }}, {"resnet", [] { return selftest::small_resnet(); }},
    {"option_a", selftest::option_a_resnet},       {"concat", selftest::concat_network},
    {"grouped", selftest::grouped_network},        {"flat", selftest::flat_network}};

struct Measuring {
  WholeModel whole;
  selftest::NoiseSource source;

  Measuring(Graph graph, DeviceKind kind)
      : whole(std::move(graph), kind), source(whole.model.graph().shape(0), 4, 64, 3) {
    for (std::size_t p = 0; p < whole.model.parameters().size(); ++p) {
      const auto index = static_cast<std::int64_t>(p);
      if (whole.model.parameters()[p].spec.kind == ParameterKind::running_variance) continue;
      RandomSequence random(5, RngPurpose::test, static_cast<std::uint32_t>(p));
      std::vector<double> values = whole.model.read(index, *whole.stream);
      for (double& value : values) value += 0.2 * random.normal();
      whole.model.write(index, values, *whole.stream);
    }
  }

  std::vector<SpaceStatistics> measure(CriterionNeeds needs, std::int64_t images = 5,
                                       std::int64_t batch = 2) {
    Scorer scorer(whole.model, whole.arena, *whole.stream,
                  {.images = images, .batch = batch, .precision = whole.precision});
    return scorer.measure(
        prunable_spaces(whole.model.graph(), ChannelSpaces(whole.model.graph()), PruneScope::all, {}), needs,
        false, source, 2);
  }

  // One loss an image, of the same sample.
  std::vector<double> losses(std::int64_t images = 5) {
    Program program(
        whole.model, whole.arena, *whole.stream,
        {.batch = images, .mode = ProgramMode::infer, .precision = whole.precision, .with_loss = true});
    source.begin_epoch(2);
    source.fill(0, images, *whole.stream, program.images(), program.labels());
    program.forward({});
    return read_values(program.losses(), *whole.stream);
  }

  double sum_of_squares() {
    double sum = 0;
    for (std::size_t p = 0; p < whole.model.parameters().size(); ++p) {
      if (!is_trained(whole.model.parameters()[p].spec.kind)) continue;
      for (const double value : whole.model.read(static_cast<std::int64_t>(p), *whole.stream))
        sum += value * value;
    }
    return sum;
  }
};

class WeightStatistics : public testing::TestWithParam<Network> {};

TEST_P(WeightStatistics, AChannelTouchesWhatItsRemovalTakesAway) {
  Measuring setup(GetParam().build(), DeviceKind::reference);
  const double before = setup.sum_of_squares();
  for (const SpaceStatistics& space : setup.measure({.coupled = true})) {
    EXPECT_EQ(space.images, 0) << "weights need no image";
    for (const std::int64_t member : {std::int64_t{0}, space.width - 1}) {
      // Where groups must stay equal, one channel of each goes.
      std::vector<std::int64_t> kept;
      double expected = 0;
      for (std::int64_t m = 0; m < space.width; ++m) {
        const std::int64_t turn = space.width / space.groups;
        if (m % turn != member % turn) {
          kept.push_back(m);
          continue;
        }
        for (const CoupledStatistics& coupled : space.coupled)
          expected += coupled.squares[static_cast<std::size_t>(m)];
      }
      if (kept.empty()) continue;
      Measuring pruned(GetParam().build(), DeviceKind::reference);
      apply_plan(pruned.whole.model, {{{space.name, space.width, kept}}}, *pruned.whole.stream);
      EXPECT_NEAR(before - pruned.sum_of_squares(), expected, 1e-10) << space.name << " " << member;
    }
  }
}

TEST_P(WeightStatistics, GradientsAreSlopesOfTheLosses) {
  Measuring setup(GetParam().build(), DeviceKind::reference);
  constexpr double kStep = 1e-6;
  const ChannelSpaces spaces(setup.whole.model.graph());
  for (const SpaceStatistics& space : setup.measure({.weight_gradients = true, .weight_fisher = true})) {
    EXPECT_EQ(space.images, 5);
    for (std::size_t p = 0; p < space.producers.size(); ++p) {
      const FilterStatistics& producer = space.producers[p];
      ASSERT_EQ(producer.gradients.size(), producer.weights.size());
      ASSERT_EQ(producer.squared_gradients.size(), producer.weights.size());
      const std::int64_t parameter = setup.whole.model.find_parameter(producer.node + ".weight");
      const std::vector<double> weights = setup.whole.model.read(parameter, *setup.whole.stream);
      for (const std::size_t at :
           {std::size_t{0}, producer.weights.size() / 2, producer.weights.size() - 1}) {
        const auto length = static_cast<std::size_t>(producer.weights_per_filter);
        const std::int64_t channel = spaces.space(space.space).producers[p].channels[at / length];
        const std::size_t place = static_cast<std::size_t>(channel) * length + at % length;
        const auto losses_at = [&](double step) {
          std::vector<double> moved = weights;
          moved[place] += step;
          setup.whole.model.write(parameter, moved, *setup.whole.stream);
          return setup.losses();
        };
        const std::vector<double> up = losses_at(kStep);
        const std::vector<double> down = losses_at(-kStep);
        (void)losses_at(0);
        double mean = 0;
        double square = 0;
        for (std::size_t i = 0; i < up.size(); ++i) {
          const double slope = (up[i] - down[i]) / (2 * kStep);
          mean += slope / static_cast<double>(up.size());
          square += slope * slope / static_cast<double>(up.size());
        }
        EXPECT_NEAR(producer.gradients[at], mean, 1e-7) << producer.node << " " << at;
        EXPECT_NEAR(producer.squared_gradients[at], square, 1e-7) << producer.node << " " << at;
      }
    }
  }
}

TEST_P(WeightStatistics, BatchesDoNotMatter) {
  Measuring setup(GetParam().build(), DeviceKind::cpu);
  const auto whole = setup.measure({.weight_gradients = true}, 7, 7);
  const auto parts = setup.measure({.weight_gradients = true}, 7, 3);
  for (std::size_t s = 0; s < whole.size(); ++s) {
    for (std::size_t p = 0; p < whole[s].producers.size(); ++p) {
      EXPECT_LT(selftest::relative_error(parts[s].producers[p].gradients, whole[s].producers[p].gradients),
                1e-4)
          << whole[s].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, WeightStatistics, testing::ValuesIn(kNetworks),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(WeightGradients, MemoryDoesNotGrowWithTheSample) {
  const auto peak = [](std::int64_t images) {
    Measuring setup(selftest::small_resnet(), DeviceKind::cpu);
    (void)setup.measure({.weight_gradients = true}, images, 4);
    return setup.whole.device->peak_bytes();
  };
  EXPECT_EQ(peak(4), peak(64));
}

// A dead filter, behind which nothing can change, and one that is a copy of another up to the layer behind.
TEST(WeightGradients, ADeadFilterHasNoSensitivity) {
  Measuring setup(selftest::flat_network(), DeviceKind::reference);
  const std::int64_t p = setup.whole.model.find_parameter("conv1.weight");
  std::vector<double> weights = setup.whole.model.read(p, *setup.whole.stream);
  std::fill(weights.begin() + 2 * 27, weights.begin() + 3 * 27, 0.0);
  setup.whole.model.write(p, weights, *setup.whole.stream);
  for (const char* name : {"snip", "obd"}) {
    const auto criterion = make_criterion(name, {});
    const auto statistics = setup.measure(criterion->needs());
    ASSERT_EQ(statistics[0].producers[0].node, "conv1");
    const std::vector<double> scores = criterion->score(statistics[0], {});
    EXPECT_EQ(scores[2], 0.0) << name;
    EXPECT_GT(scores[0] + scores[1] + scores[3] + scores[4], 0.0) << name;
  }
}

}  // namespace
}  // namespace secateur
