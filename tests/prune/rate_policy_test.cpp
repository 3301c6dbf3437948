// Rates against values worked out by hand.
#include "secateur/prune/rate_policy.h"

#include <gtest/gtest.h>

#include "secateur/core/error.h"

namespace secateur {
namespace {

SpaceScores space(std::string name, std::vector<double> scores) {
  SpaceScores s;
  s.name = name;
  s.producers = {std::move(name)};
  s.width = static_cast<std::int64_t>(scores.size());
  s.scores = std::move(scores);
  return s;
}

// Importances 0.5, 1.0, 0.25, 0: Imp / max = 0.5, 1, 0.25, 0.
std::vector<SpaceScores> four_spaces() {
  return {space("conv1", {0.5, 0.5}), space("conv2", {1.0, 1.0, 1.0, 1.0}),
          space("conv3", {0.0, 0.5, 0.25, 0.25}), space("conv4", {0.0, 0.0})};
}

std::vector<double> rates_of(std::string_view policy, const RatePolicyOptions& options) {
  const auto spaces = four_spaces();
  return make_rate_policy(policy, options)->rates(spaces);
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-12) << "layer " << i;
}

TEST(RatePolicy, Eq18) {
  // psi 0.4, L = 4: depth factors 7/8, 6/8, 5/8, 4/8.
  expect_near(rates_of("eq18", {.rate = 0.4}), {0.4 * 0.5 * 0.875, 0.0, 0.4 * 0.75 * 0.625, 0.4 * 1.0 * 0.5});
}

TEST(RatePolicy, ImportanceIsEq18WithoutDepth) {
  expect_near(rates_of("importance", {.rate = 0.4}), {0.4 * 0.5, 0.0, 0.4 * 0.75, 0.4});
}

TEST(RatePolicy, Eq18WithoutAnyImportanceIsZero) {
  const std::vector<SpaceScores> spaces{space("a", {0, 0}), space("b", {0})};
  expect_near(make_rate_policy("eq18", {.rate = 0.4})->rates(spaces), {0, 0});
}

TEST(RatePolicy, DepthReproducesThePapersFigure) {
  // 48.4% for the first and 25% for the last of 16 layers at psi = 0.5.
  std::vector<SpaceScores> spaces;
  for (int i = 0; i < 16; ++i) spaces.push_back(space(std::to_string(i), {0.1 * i, 1}));
  const auto rates = make_rate_policy("depth", {.rate = 0.5})->rates(spaces);
  EXPECT_NEAR(rates.front(), 0.484375, 1e-12);
  EXPECT_NEAR(rates.back(), 0.25, 1e-12);
}

TEST(RatePolicy, Uniform) { expect_near(rates_of("uniform", {.rate = 0.3}), {0.3, 0.3, 0.3, 0.3}); }

TEST(RatePolicy, GlobalTakesTheLowestOfAll) {
  // 12 channels, half of them go: the three zeros, both 0.25, and of the three 0.5 the first in order
  // (conv1's).
  expect_near(rates_of("global", {.rate = 0.5, .max_space_rate = 1.0}), {0.5, 0.0, 0.75, 1.0});
}

TEST(RatePolicy, GlobalPassesOverASpaceAtItsBound) {
  // At most half of a space: one of conv4's zeros and one 0.25 of conv3 stay, and other channels go in their
  // place.
  expect_near(rates_of("global", {.rate = 0.5, .max_space_rate = 0.5}), {0.5, 0.5, 0.5, 0.5});
}

TEST(RatePolicy, FixedTakesTheFirstMatchAndSparesTheRest) {
  const RatePolicyOptions options{.table = {"conv2=0.25", "conv[=0.9", "conv?=0.5"}};
  EXPECT_THROW((void)rates_of("fixed", options), Error);  // "conv[" matches nothing
  expect_near(rates_of("fixed", {.table = {"conv2=0.25", "conv4=0.125"}}), {0, 0.25, 0, 0.125});
  expect_near(rates_of("fixed", {.table = {"conv2=0.25", "conv*=0.5"}}), {0.5, 0.25, 0.5, 0.5});
}

TEST(RatePolicy, SensitivityScalesTheTableToPsi) {
  // Tolerated: 2 * 0.2 + 4 * 0.4 = 2 of 12 channels. psi = 1/12 takes half of that, psi = 0.5 no more than
  // all of it.
  const std::vector<std::string> table{"conv1=0.2", "conv2=0.4"};
  expect_near(rates_of("sensitivity", {.rate = 1.0 / 12.0, .table = table}), {0.1, 0.2, 0, 0});
  expect_near(rates_of("sensitivity", {.rate = 0.5, .table = table}), {0.2, 0.4, 0, 0});
}

TEST(RatePolicy, RefusesWhatItCannotRead) {
  EXPECT_THROW((void)make_rate_policy("eq81", {}), Error);
  EXPECT_THROW((void)make_rate_policy("fixed", {}), Error);
  for (const char* entry : {"conv1", "=0.5", "conv1=1.0", "conv1=-0.1", "conv1=half", "conv1=0.5x"}) {
    EXPECT_THROW((void)make_rate_policy("fixed", {.table = {entry}}), Error) << entry;
  }
}

TEST(RatePolicy, TakesPoliciesFromOutside) {
  class Everything final : public RatePolicy {
   public:
    std::vector<double> rates(std::span<const SpaceScores> spaces) const override {
      return std::vector<double>(spaces.size(), 0.75);
    }
  };
  register_rate_policy("three-quarters", "of every layer",
                       [](const RatePolicyOptions&) { return std::make_unique<Everything>(); });
  expect_near(rates_of("three-quarters", {}), {0.75, 0.75, 0.75, 0.75});
  EXPECT_THROW(register_rate_policy("three-quarters", "again", {}), Error);
}

TEST(Glob, Matches) {
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("layer?.*.conv1", "layer2.0.conv1"));
  EXPECT_FALSE(glob_matches("layer?.*.conv1", "layer2.0.conv10"));
  EXPECT_TRUE(glob_matches("*a*b*", "xxaxxbxx"));
  EXPECT_FALSE(glob_matches("*a*b*", "xxbxxaxx"));
  EXPECT_FALSE(glob_matches("", "a"));
}

}  // namespace
}  // namespace secateur
