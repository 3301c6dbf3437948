// Buffers that live at one time never share bytes; the peak lies between the lower bound and the plain sum.
#include "secateur/graph/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace secateur {
namespace {

constexpr std::int64_t kAlignment = 64;

std::int64_t aligned(std::int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Most aligned bytes alive at one step, step by step.
std::int64_t most_alive(const std::vector<BufferLife>& lives) {
  std::int64_t most = 0;
  for (std::int64_t step = 0; step < 64; ++step) {
    std::int64_t alive = 0;
    for (const BufferLife& life : lives) {
      if (life.first <= step && step <= life.last) alive += aligned(life.bytes);
    }
    most = std::max(most, alive);
  }
  return most;
}

void expect_sound(const std::vector<BufferLife>& lives, const MemoryPlan& plan) {
  ASSERT_EQ(plan.offsets.size(), lives.size());
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < lives.size(); ++i) {
    EXPECT_EQ(plan.offsets[i] % kAlignment, 0);
    EXPECT_GE(plan.offsets[i], 0);
    EXPECT_LE(plan.offsets[i] + lives[i].bytes, plan.peak);
    sum += aligned(lives[i].bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const bool together = lives[i].first <= lives[j].last && lives[j].first <= lives[i].last;
      const bool overlap = plan.offsets[i] < plan.offsets[j] + lives[j].bytes &&
                           plan.offsets[j] < plan.offsets[i] + lives[i].bytes;
      EXPECT_FALSE(together && overlap && lives[i].bytes > 0 && lives[j].bytes > 0) << i << " and " << j;
    }
  }
  EXPECT_EQ(plan.lower_bound, most_alive(lives));
  EXPECT_GE(plan.peak, plan.lower_bound);
  EXPECT_LE(plan.peak, sum);
}

TEST(MemoryPlan, KnownCases) {
  EXPECT_EQ(plan_memory({}, kAlignment).peak, 0);
  // A chain: only neighbours live together, so that two places suffice.
  const std::vector<BufferLife> chain{{100, 0, 1}, {100, 1, 2}, {100, 2, 3}, {100, 3, 4}};
  EXPECT_EQ(plan_memory(chain, kAlignment).peak, 256);
  // All at once: no sharing.
  const std::vector<BufferLife> together{{64, 0, 3}, {64, 0, 3}, {1, 3, 3}};
  EXPECT_EQ(plan_memory(together, kAlignment).peak, 192);
  // One after the other: all in one place.
  const std::vector<BufferLife> apart{{64, 0, 0}, {128, 1, 1}, {64, 2, 2}};
  EXPECT_EQ(plan_memory(apart, kAlignment).peak, 128);
}

TEST(MemoryPlan, RandomLives) {
  // A small linear congruential sequence: the test needs variety, not quality.
  std::uint64_t state = 1;
  const auto draw = [&](std::int64_t below) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::int64_t>((state >> 33U) % static_cast<std::uint64_t>(below));
  };
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<BufferLife> lives(static_cast<std::size_t>(1 + draw(40)));
    for (BufferLife& life : lives) {
      life.bytes = draw(5000);
      life.first = draw(50);
      life.last = life.first + draw(10);
    }
    expect_sound(lives, plan_memory(lives, kAlignment));
  }
}

}  // namespace
}  // namespace secateur
