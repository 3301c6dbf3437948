// Rank and entropy of a map, on matrices with a known answer; and that the scorer measures them.
#include "prune/map_measures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "secateur/prune/criterion.h"
#include "secateur/prune/scope.h"
#include "secateur/prune/scorer.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

constexpr double kFloat = 0x1p-23;

std::int64_t rank_of(std::vector<double> matrix, std::int64_t rows, std::int64_t columns,
                     double epsilon = kFloat) {
  return matrix_rank(matrix, rows, columns, epsilon);
}

TEST(MatrixRank, KnownMatrices) {
  EXPECT_EQ(rank_of({0, 0, 0, 0}, 2, 2), 0);
  EXPECT_EQ(rank_of({5, 5, 5, 5, 5, 5}, 2, 3), 1);
  EXPECT_EQ(rank_of({1, 0, 0, 0, 1, 0, 0, 0, 1}, 3, 3), 3);
  EXPECT_EQ(rank_of({1, 2, 3, 4, 5, 6, 7, 8, 9}, 3, 3), 2);
  EXPECT_EQ(rank_of({1, 2, 3, 4, 5, 6, 7, 8}, 4, 2), 2);
  EXPECT_EQ(rank_of({1, 2, 2, 4, 3, 6, 4, 8}, 4, 2), 1);
  EXPECT_EQ(rank_of({7}, 1, 1), 1);
}

// A sum of r outer products has rank r, whichever side is longer.
TEST(MatrixRank, SumsOfOuterProducts) {
  for (const auto& [rows, columns] : {std::pair{32, 32}, {7, 16}, {16, 7}}) {
    for (const int rank : {1, 3, 7}) {
      RandomSequence random(3, RngPurpose::test, static_cast<std::uint32_t>(rows),
                            static_cast<std::uint32_t>(rank));
      std::vector<double> matrix(static_cast<std::size_t>(rows * columns));
      for (int r = 0; r < rank; ++r) {
        std::vector<double> left(static_cast<std::size_t>(rows));
        std::vector<double> right(static_cast<std::size_t>(columns));
        for (double& value : left) value = random.normal();
        for (double& value : right) value = random.normal();
        for (std::size_t i = 0; i < matrix.size(); ++i) {
          matrix[i] += left[i / right.size()] * right[i % right.size()];
        }
      }
      EXPECT_EQ(rank_of(matrix, rows, columns), rank) << rows << "x" << columns;
      // Noise below the tolerance of float32 and above that of float64.
      for (double& value : matrix) value += 1e-10 * random.normal();
      EXPECT_EQ(rank_of(matrix, rows, columns), rank);
      EXPECT_EQ(rank_of(matrix, rows, columns, 0x1p-52), std::min(rows, columns));
    }
  }
}

TEST(HistogramEntropy, KnownHistograms) {
  EXPECT_EQ(histogram_entropy(std::vector<double>{3, 3, 3}, 64), 0);
  EXPECT_DOUBLE_EQ(histogram_entropy(std::vector<double>{0, 1}, 64), 1);
  EXPECT_DOUBLE_EQ(histogram_entropy(std::vector<double>{0, 0, 0, 8}, 64),
                   -(0.75 * std::log2(0.75) + 0.25 * std::log2(0.25)));
  std::vector<double> ramp;
  for (int i = 0; i < 64; ++i) ramp.push_back(i);
  EXPECT_DOUBLE_EQ(histogram_entropy(ramp, 64), 6);
  EXPECT_DOUBLE_EQ(histogram_entropy(ramp, 2), 1);
}

// A dead channel has rank and entropy 0, and is the first to go by either.
TEST(MapMeasures, TheScorerFindsADeadChannel) {
  selftest::WholeModel whole(selftest::small_vgg(), DeviceKind::cpu);
  const NodeId norm = whole.model.graph().find("conv1.bn");
  ASSERT_GE(norm, 0);
  for (const std::int64_t p : whole.model.layout().of_node[static_cast<std::size_t>(norm)]) {
    const std::string& name = whole.model.parameters()[static_cast<std::size_t>(p)].name;
    if (!name.ends_with(".scale") && !name.ends_with(".shift")) continue;
    std::vector<double> values = whole.model.read(p, *whole.stream);
    values[2] = 0;
    whole.model.write(p, values, *whole.stream);
  }
  selftest::NoiseSource source(whole.model.graph().shape(0), 4, 32, 3);
  Scorer scorer(whole.model, whole.arena, *whole.stream, {.images = 10, .batch = 4});
  const ChannelSpaces spaces(whole.model.graph());
  const auto prunable = prunable_spaces(whole.model.graph(), spaces, PruneScope::all, {});
  const auto measured =
      scorer.measure(prunable, {.map_ranks = true, .map_entropies = true}, false, source, 0);
  const SpaceStatistics& first = measured.front();
  ASSERT_EQ(first.map_rank.size(), static_cast<std::size_t>(first.width));
  EXPECT_EQ(first.map_rank[2], 0);
  EXPECT_EQ(first.map_entropy[2], 0);
  for (const char* criterion : {"hrank", "entropy"}) {
    const std::vector<double> scores = make_criterion(criterion, {})->score(first, {});
    EXPECT_EQ(std::ranges::min_element(scores) - scores.begin(), 2) << criterion;
    EXPECT_EQ(scores[2], 0);
  }
  SpaceStatistics unmeasured;
  unmeasured.width = 3;
  EXPECT_THROW(static_cast<void>(make_criterion("hrank", {})->score(unmeasured, {})), Error);
}

}  // namespace
}  // namespace secateur
