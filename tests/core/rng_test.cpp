#include "secateur/core/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace secateur {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Known answers of Philox4x32-10 that the authors publish with their library Random123 (kat_vectors).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomSequence, TakesTheDocumentedCounterAndKey) {
  // counter = {position, key_b, key_a, purpose}, key = {low, high word of the seed}
  RandomSequence sequence(0x0123456789abcdefULL, RngPurpose::augmentation, 11, 22);
  for (std::uint32_t position = 0; position < 3; ++position) {
    const Words expected = philox4x32({position, 22, 11, 3}, {0x89abcdef, 0x01234567});
    for (const std::uint32_t word : expected) EXPECT_EQ(sequence.next_u32(), word);
  }
}

TEST(RandomSequence, DependsOnEveryKey) {
  std::set<std::uint32_t> first;
  first.insert(RandomSequence(1, RngPurpose::test, 0, 0).next_u32());
  first.insert(RandomSequence(2, RngPurpose::test, 0, 0).next_u32());
  first.insert(RandomSequence(std::uint64_t{1} << 32, RngPurpose::test, 0, 0).next_u32());
  first.insert(RandomSequence(1, RngPurpose::shuffle, 0, 0).next_u32());
  first.insert(RandomSequence(1, RngPurpose::test, 1, 0).next_u32());
  first.insert(RandomSequence(1, RngPurpose::test, 0, 1).next_u32());
  EXPECT_EQ(first.size(), 6U);
}

// Bounds of the moments below are five standard errors: at this fixed seed they hold, and a wrong
// distribution of any size that matters breaks them.
constexpr int kDraws = 100000;

TEST(RandomSequence, UniformMoments) {
  RandomSequence sequence(42, RngPurpose::test);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = sequence.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 5 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kDraws));
  EXPECT_GE(sequence.uniform(-3, -2), -3.0);
  EXPECT_LT(sequence.uniform(-3, -2), -2.0);
}

TEST(RandomSequence, NormalMoments) {
  RandomSequence sequence(42, RngPurpose::test, 1);
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  double neighbours = 0;
  double previous = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = sequence.normal();
    sum += value;
    squares += value * value;
    fourth += std::pow(value, 4);
    neighbours += value * previous;
    previous = value;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 5 * std::sqrt(1.0 / kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0, 5 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourth / kDraws, 3.0, 5 * std::sqrt(96.0 / kDraws));
  EXPECT_NEAR(neighbours / kDraws, 0.0, 5 * std::sqrt(1.0 / kDraws));
}

TEST(RandomSequence, BelowIsUnbiased) {
  RandomSequence sequence(42, RngPurpose::test, 2);
  EXPECT_EQ(sequence.below(1), 0U);
  constexpr std::uint32_t kBound = 10;
  std::array<int, kBound> counts{};
  for (int i = 0; i < kDraws; ++i) {
    const std::uint32_t value = sequence.below(kBound);
    ASSERT_LT(value, kBound);
    ++counts.at(value);
  }
  double chi_squared = 0;
  for (const int count : counts) chi_squared += std::pow(count - kDraws / 10.0, 2) / (kDraws / 10.0);
  EXPECT_LT(chi_squared, 27.88);  // 99.9% point with 9 degrees of freedom

  // With a bound of three quarters of the range, the high word without rejection draws every third value
  // twice as often as the others: multiples of 3 would come in half of the cases.
  constexpr std::uint32_t kLargeBound = 0xC0000000;
  int divisible = 0;
  for (int i = 0; i < kDraws; ++i) divisible += sequence.below(kLargeBound) % 3 == 0 ? 1 : 0;
  EXPECT_NEAR(divisible / double{kDraws}, 1.0 / 3, 5 * std::sqrt(2.0 / 9 / kDraws));
}

TEST(RandomSequence, PermutationHoldsEachOnce) {
  RandomSequence sequence(42, RngPurpose::test, 3);
  for (const std::int64_t count : {0, 1, 2, 1000}) {
    std::vector<std::int64_t> order = sequence.permutation(count);
    ASSERT_EQ(static_cast<std::int64_t>(order.size()), count);
    if (count == 1000) {
      EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
    }
    std::sort(order.begin(), order.end());
    for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
  EXPECT_EQ(RandomSequence(5, RngPurpose::shuffle, 7).permutation(50),
            RandomSequence(5, RngPurpose::shuffle, 7).permutation(50));
  EXPECT_NE(RandomSequence(5, RngPurpose::shuffle, 7).permutation(50),
            RandomSequence(5, RngPurpose::shuffle, 8).permutation(50));
}

TEST(RandomSequence, PermutationsOfThreeAreEquallyLikely) {
  RandomSequence sequence(42, RngPurpose::test, 4);
  std::array<int, 6> counts{};
  constexpr int kTrials = 60000;
  for (int i = 0; i < kTrials; ++i) {
    const auto order = sequence.permutation(3);
    const std::int64_t index = order[0] * 2 + (order[1] > order[2] ? 1 : 0);
    ++counts.at(static_cast<std::size_t>(index));
  }
  double chi_squared = 0;
  for (const int count : counts) chi_squared += std::pow(count - kTrials / 6.0, 2) / (kTrials / 6.0);
  EXPECT_LT(chi_squared, 20.52);  // 99.9% point with 5 degrees of freedom
}

}  // namespace
}  // namespace secateur
