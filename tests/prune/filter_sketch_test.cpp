// FilterSketch: what a sketch keeps of a matrix, and what becomes of a network.
#include "secateur/prune/filter_sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/surgeon.h"
#include "selftest/prune_graphs.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

using selftest::WholeModel;
using Matrix = std::vector<double>;  // row-major

Matrix noise(std::size_t count, std::uint32_t key) {
  RandomSequence random(3, RngPurpose::test, key);
  Matrix result(count);
  for (double& value : result) value = random.normal();
  return result;
}

// A^T A.
Matrix moments(const Matrix& a, std::size_t columns) {
  Matrix result(columns * columns, 0.0);
  for (std::size_t r = 0; r < a.size() / columns; ++r) {
    for (std::size_t i = 0; i < columns; ++i) {
      for (std::size_t j = 0; j < columns; ++j)
        result[i * columns + j] += a[r * columns + i] * a[r * columns + j];
    }
  }
  return result;
}

double square(const Matrix& a) {
  double sum = 0;
  for (const double value : a) sum += value * value;
  return sum;
}

TEST(FrequentDirections, KeepsTheMomentsOfAMatrixOfLowRank) {
  // Nine rows from two directions, one of them twice over: the sketch of five rows loses nothing.
  const Matrix directions = noise(2 * 7, 1);
  const Matrix weights = noise(9 * 2, 2);
  Matrix a(9 * 7, 0.0);
  for (std::size_t r = 0; r < 9; ++r) {
    for (std::size_t k = 0; k < 7; ++k)
      a[r * 7 + k] = weights[r * 2] * directions[k] + weights[r * 2 + 1] * directions[7 + k];
  }
  const Matrix expected = moments(a, 7);
  const Matrix found = moments(frequent_directions(a, 9, 7, 5), 7);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-10) << i;
}

// Liberty 2013, for sketches that are halved when full: 0 <= ||Ax||^2 - ||Bx||^2 <= 2 ||A||^2 / l.
TEST(FrequentDirections, StaysWithinItsBound) {
  const Matrix a = noise(60 * 12, 3);
  for (const std::size_t kept : {std::size_t{2}, std::size_t{5}, std::size_t{10}}) {
    const Matrix b = frequent_directions(a, 60, 12, static_cast<std::int64_t>(kept));
    ASSERT_EQ(b.size(), kept * 12);
    double most = 0;
    for (std::uint32_t trial = 0; trial < 50; ++trial) {
      Matrix x = noise(12, 100 + trial);
      const double length = std::sqrt(square(x));
      double difference = 0;
      for (const auto& [matrix, sign] : {std::pair{&a, 1.0}, std::pair{&b, -1.0}}) {
        for (std::size_t r = 0; r < matrix->size() / 12; ++r) {
          double product = 0;
          for (std::size_t k = 0; k < 12; ++k) product += (*matrix)[r * 12 + k] * x[k] / length;
          difference += sign * product * product;
        }
      }
      EXPECT_GE(difference, -1e-9);
      most = std::max(most, difference);
    }
    EXPECT_LE(most, 2 * square(a) / static_cast<double>(kept)) << kept;
  }
}

TEST(FrequentDirections, ByHand) {
  // Full with (3, 0) and (0, 2): delta 4, what is left is (sqrt 5, 0); then (0, 1) is put in.
  const Matrix found = frequent_directions({3, 0, 0, 2, 0, 1}, 3, 2, 2);
  EXPECT_NEAR(std::abs(found[0]), std::sqrt(5.0), 1e-12);
  EXPECT_NEAR(found[1], 0, 1e-12);
  EXPECT_NEAR(found[2], 0, 1e-12);
  EXPECT_NEAR(found[3], 1, 1e-12);
  // Rows that fit are put in as they are.
  EXPECT_EQ(frequent_directions({1, 2, 3, 4}, 2, 2, 3), (Matrix{1, 2, 3, 4, 0, 0}));
  EXPECT_THROW((void)frequent_directions({1, 2}, 1, 2, 1), Error);
}

Matrix parameter(WholeModel& whole, const std::string& name) {
  return whole.model.read(whole.model.find_parameter(name), *whole.stream);
}

PruningPlan plan_for(const WholeModel& whole, const std::string& producer, std::vector<std::int64_t> kept) {
  const ChannelSpaces spaces(whole.model.graph());
  for (const ChannelSpace& space : spaces.spaces()) {
    if (whole.model.graph().node(space.producers.at(0).node).name == producer)
      return {{{space.name, space.width, std::move(kept)}}};
  }
  ADD_FAILURE() << producer;
  return {};
}

TEST(SketchWeights, RewritesFiltersAndTheColumnsBehindThem) {
  WholeModel whole(selftest::small_vgg(), DeviceKind::reference);
  const Matrix trained = noise(9, 8);
  whole.model.write(whole.model.find_parameter("conv2.bn.shift"), trained, *whole.stream);
  for (const char* name : {"conv1.bn.scale", "conv1.bn.shift"})
    whole.model.write(whole.model.find_parameter(name), noise(6, 9), *whole.stream);
  // Six filters of rank two.
  Matrix weights = parameter(whole, "conv1.weight");
  const std::size_t length = weights.size() / 6;
  for (std::size_t i = 2 * length; i < weights.size(); ++i) weights[i] = 2 * weights[i % (2 * length)];
  whole.model.write(whole.model.find_parameter("conv1.weight"), weights, *whole.stream);
  const Matrix second = parameter(whole, "conv2.weight");

  const PruningPlan plan = plan_for(whole, "conv1", {0, 1, 3, 4});
  sketch_weights(whole.model, plan, *whole.stream);
  apply_plan(whole.model, plan, *whole.stream);

  const Matrix first = parameter(whole, "conv1.weight");
  ASSERT_EQ(first.size(), 4 * length);
  EXPECT_NEAR(square(first), 1.0, 1e-12);
  // But for the norm, the moments are those of all six filters.
  const Matrix expected = moments(weights, length);
  const Matrix found = moments(first, length);
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(found[i], expected[i] / square(weights), 1e-12) << i;
  EXPECT_EQ(parameter(whole, "conv1.bn.scale"), Matrix(4, 1.0));
  EXPECT_EQ(parameter(whole, "conv1.bn.shift"), Matrix(4, 0.0));
  EXPECT_EQ(parameter(whole, "conv1.bn.running_variance"), Matrix(4, 1.0));
  EXPECT_EQ(parameter(whole, "conv2.bn.shift"), trained) << "conv2's own filters were not sketched";

  // The columns of conv2, one row a channel of conv1: the sketch of the rows that stand in the old weights.
  Matrix rows;
  for (std::size_t c = 0; c < 6; ++c) {
    for (std::size_t place = c; place < second.size(); place += 6) rows.push_back(second[place]);
  }
  Matrix sketch = frequent_directions(rows, 6, static_cast<std::int64_t>(second.size() / 6), 4);
  const double norm = std::sqrt(square(sketch));
  const Matrix after = parameter(whole, "conv2.weight");
  ASSERT_EQ(after.size(), sketch.size());
  for (std::size_t c = 0; c < 4; ++c) {
    for (std::size_t k = 0; k < after.size() / 4; ++k)
      EXPECT_NEAR(after[k * 4 + c], sketch[c * (after.size() / 4) + k] / norm, 1e-12);
  }
}

TEST(SketchWeights, TrunksAndWhatIsNotEditedStay) {
  WholeModel whole(selftest::small_resnet(), DeviceKind::reference);
  std::vector<Matrix> before;
  for (std::size_t p = 0; p < whole.model.parameters().size(); ++p)
    before.push_back(whole.model.read(static_cast<std::int64_t>(p), *whole.stream));
  sketch_weights(whole.model, plan_for(whole, "stem", {0, 1, 2}), *whole.stream);
  for (std::size_t p = 0; p < before.size(); ++p)
    EXPECT_EQ(whole.model.read(static_cast<std::int64_t>(p), *whole.stream), before[p]);

  sketch_weights(whole.model, plan_for(whole, "block1.conv1", {0, 1, 2}), *whole.stream);
  for (std::size_t p = 0; p < before.size(); ++p) {
    const std::string& name = whole.model.parameters()[p].name;
    const bool touched = name == "block1.conv1.weight" || name == "block1.conv2.weight" ||
                         name.starts_with("block1.conv1.bn.");
    if (touched) continue;
    EXPECT_EQ(whole.model.read(static_cast<std::int64_t>(p), *whole.stream), before[p]) << name;
  }
  EXPECT_NE(parameter(whole, "block1.conv2.weight"),
            before[static_cast<std::size_t>(whole.model.find_parameter("block1.conv2.weight"))]);
}

TEST(FilterSketch, RemovesTheLastChannels) {
  SpaceStatistics space;
  space.width = 3;
  EXPECT_EQ(make_criterion("filter_sketch", {})->score(space, {}), (Matrix{1, 0.5, 0}));
  EXPECT_EQ(make_criterion("filter_sketch", {})->edit(), WeightEdit::sketch);
  EXPECT_EQ(make_criterion("l1", {})->edit(), WeightEdit::none);
}

}  // namespace
}  // namespace secateur
