// The resampling's passes by vectors against the plain ones: the same bytes.
#include "../../data/src/blend.h"

#include <gtest/gtest.h>

#include <vector>

#include "secateur/core/rng.h"

namespace secateur::data {
namespace {

constexpr std::int32_t kOne = 1 << kBlendWeightBits;

// `count` weights that sum to one, then zeros up to `taps`; a single one may be all of it.
std::vector<std::int16_t> random_weights(std::int64_t count, std::int64_t taps, RandomSequence& random) {
  std::vector<std::int16_t> weights(static_cast<std::size_t>(taps), 0);
  std::int32_t left = kOne;
  for (std::int64_t k = 0; k + 1 < count; ++k) {
    const auto part = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(left) + 1));
    weights[static_cast<std::size_t>(k)] = static_cast<std::int16_t>(part);
    left -= part;
  }
  weights[static_cast<std::size_t>(count - 1)] = static_cast<std::int16_t>(left);
  return weights;
}

// Values of all sizes, many of them the greatest.
template <class Value>
std::vector<Value> random_values(std::int64_t count, std::uint32_t greatest, RandomSequence& random) {
  std::vector<Value> values(static_cast<std::size_t>(count));
  for (Value& value : values)
    value = static_cast<Value>(random.below(4) == 0 ? greatest : random.below(greatest + 1));
  return values;
}

TEST(Blend, RowsAreThePlainOnes) {
  RandomSequence random(1, RngPurpose::test);
  for (const std::int64_t pixels : {1, 7, 8, 9, 16, 33, 250}) {
    for (const std::int64_t count : {1, 2, 3, 4, 7, 20}) {
      const std::int64_t stride = 4 * pixels + 12;
      const auto rows = random_values<std::uint8_t>(count * stride, 255, random);
      const std::vector<std::int16_t> weights = random_weights(count, count, random);
      const RowBlend blend{rows.data(), stride, weights.data(), count, 4 * pixels};
      // Nothing is written behind the row.
      std::vector<std::uint16_t> plain(static_cast<std::size_t>(4 * pixels + 1), 7);
      std::vector<std::uint16_t> fast = plain;
      plain_blend_rows(blend, plain.data());
      blend_rows(blend, fast.data());
      EXPECT_EQ(fast, plain) << pixels << " pixels, " << count << " rows";
    }
  }
}

TEST(Blend, ColumnsAreThePlainOnes) {
  RandomSequence random(2, RngPurpose::test);
  constexpr std::int64_t kLeft = 3;
  for (const std::int64_t width : {1, 3, 4, 5, 8, 31, 224}) {
    for (const std::int64_t count : {1, 2, 4, 5, 18}) {
      const std::int64_t taps = (count + kBlendTaps - 1) / kBlendTaps * kBlendTaps;
      std::vector<std::int64_t> first;
      std::vector<std::int16_t> weights;
      for (std::int64_t x = 0; x < width; ++x) {
        first.push_back(kLeft + x * 3 / 2);
        const std::vector<std::int16_t> more = random_weights(count, taps, random);
        weights.insert(weights.end(), more.begin(), more.end());
      }
      const std::int64_t columns = first.back() - kLeft + taps;
      const auto blended = random_values<std::uint16_t>(columns * 4, 255U << kBlendFractionBits, random);
      for (const bool mirrored : {false, true}) {
        const ColumnBlend blend{blended.data(), kLeft, first.data(), weights.data(), taps, width, mirrored};
        std::vector<std::uint8_t> plain(static_cast<std::size_t>(3 * width + 1), 7);
        std::vector<std::uint8_t> fast = plain;
        plain_blend_columns(blend, plain.data());
        blend_columns(blend, fast.data());
        EXPECT_EQ(fast, plain) << width << " pixels of " << count << (mirrored ? ", mirrored" : "");
      }
    }
  }
}

}  // namespace
}  // namespace secateur::data
