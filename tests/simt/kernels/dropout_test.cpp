#include "secateur/kernels/dropout.h"

#include "kernel_test.h"
#include "philox.h"

namespace secateur::kernels::test {
namespace {

TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (PhiloxWords{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}),
            (PhiloxWords{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

constexpr std::uint64_t kSeed = 0x123456789ABCDEF0U;
constexpr std::uint32_t kLayer = 7;
constexpr std::uint32_t kStep = 11;

// Whether a unit is kept, by the contract.
bool kept(std::int64_t unit, double rate) {
  const auto number = static_cast<std::uint64_t>(unit);
  const PhiloxWords words =
      philox({static_cast<std::uint32_t>(number / 4), kLayer, kStep, 4},
             {static_cast<std::uint32_t>(kSeed), static_cast<std::uint32_t>(kSeed >> 32)});
  return words[number % 4] * 0x1p-32 >= rate;
}

void check(DType type, const Layout& layout, double rate, const std::vector<std::int32_t>& origin,
           std::int64_t original_channels, bool in_place) {
  SCOPED_TRACE(describe(type, layout) + ", rate " + std::to_string(rate));
  constexpr std::int64_t kRows = 37;
  const std::int64_t channels = origin.empty() ? original_channels : static_cast<std::int64_t>(origin.size());
  Random random;
  MapBuffer x(type, kRows, channels, channels + layout.extra_ld, layout.placement);
  MapBuffer y(type, kRows, channels, channels + layout.extra_ld, layout.placement);
  x.fill(random.normals(kRows * channels));
  const std::vector<double> before = x.values();
  const Array<std::int32_t> table(origin.empty() ? std::vector<std::int32_t>{0} : origin);
  const Array<std::uint32_t> step(std::vector<std::uint32_t>{kStep});
  MapBuffer& out = in_place ? x : y;
  ASSERT_TRUE(succeeded(dropout(out.data(), x.data(), origin.empty() ? nullptr : table.data(), step.data(),
                                {rate, kSeed, kLayer, original_channels}, {type, kRows, channels, out.ld()},
                                nullptr)));
  std::vector<double> expected;
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t place = origin.empty() ? c : origin[static_cast<std::size_t>(c)];
      const double value = before[static_cast<std::size_t>(r * channels + c)];
      expected.push_back(kept(r * original_channels + place, rate) ? value / (1 - rate) : 0.0);
    }
  }
  const std::vector<double> got = out.values();
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i] == 0, expected[i] == 0) << "element " << i;
  EXPECT_LE(relative_error(got, expected), 2 * storage_tolerance(type));
}

TEST(Dropout, FollowsTheContractInEveryLayout) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) check(type, layout, 0.3, {}, 11, false);
  }
}

TEST(Dropout, RemovedChannelsLeaveTheOthersTheirNumbers) {
  check(DType::f32, {}, 0.5, {0, 3, 4, 9, 20}, 21, false);
  check(DType::f16, {3, Placement::aligned}, 0.5, {5, 6, 7}, 64, true);
}

TEST(Dropout, RateZeroKeepsAll) { check(DType::f32, {}, 0.0, {}, 5, true); }

TEST(Dropout, PaddingLanesBecomeZero) {
  const Array<float> x(std::vector<float>(3 * 8, 1.0F));
  const Array<float> y(3 * 8);
  const Array<std::uint32_t> step(std::vector<std::uint32_t>{0});
  ASSERT_TRUE(succeeded(
      dropout(y.data(), x.data(), nullptr, step.data(), {0.25, 1, 0, 5, 8}, {DType::f32, 3, 5, 8}, nullptr)));
  const std::vector<float> values = y.values();
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 5; c < 8; ++c) EXPECT_EQ(values[r * 8 + c], 0.0F);
  }
}

// A part of a batch draws the numbers that its rows have in the whole batch.
TEST(Dropout, APartDrawsTheNumbersOfItsRows) {
  const Array<float> whole(std::vector<float>(7 * 6, 1.0F));
  const Array<float> part(std::vector<float>(3 * 6, 1.0F));
  const Array<std::uint32_t> step(std::vector<std::uint32_t>{kStep});
  const auto drop = [&](const Array<float>& map, std::int64_t rows, std::int64_t first_row) {
    return dropout(
        map.data(), map.data(), nullptr, step.data(),
        {.rate = 0.5, .seed = kSeed, .layer = kLayer, .original_channels = 6, .first_row = first_row},
        {DType::f32, rows, 6, 6}, nullptr);
  };
  ASSERT_TRUE(succeeded(drop(whole, 7, 0)));
  ASSERT_TRUE(succeeded(drop(part, 3, 4)));
  for (std::int64_t i = 0; i < 3 * 6; ++i) {
    EXPECT_EQ(part.data()[i] != 0, kept(4 * 6 + i, 0.5));
    EXPECT_EQ(part.data()[i], whole.data()[4 * 6 + i]);
  }
}

TEST(Dropout, RefusesWhatBreaksTheContract) {
  const Array<float> x(8);
  const Array<std::uint32_t> step(1);
  const auto call = [&](const DropoutOptions& options, const std::uint32_t* key) {
    return dropout(x.data(), x.data(), nullptr, key, options, {DType::f32, 2, 4, 4}, nullptr);
  };
  EXPECT_TRUE(refused(call({1.0, 0, 0, 4}, step.data()), "rate"));
  EXPECT_TRUE(refused(call({-0.1, 0, 0, 4}, step.data()), "rate"));
  EXPECT_TRUE(refused(call({0.5, 0, 0, 0}, step.data()), "original_channels"));
  EXPECT_TRUE(refused(call({0.5, 0, 0, 4}, nullptr), "step is null"));
}

}  // namespace
}  // namespace secateur::kernels::test
