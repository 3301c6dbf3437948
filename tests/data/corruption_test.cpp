// What all corruptions have in common.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "corruption_fixtures.h"
#include "secateur/data/synthetic.h"

namespace secateur::data {
namespace {

Bytes natural_image() {
  const DataSets sets = make_synthetic({.train_size = 1, .test_size = 1, .seed = 5});
  const auto image = sets.train.image(0);
  return {image.begin(), image.end()};
}

TEST(CorruptionNames, GoBothWaysAndTheNearestIsNamed) {
  EXPECT_EQ(all_corruptions().size(), 15U);
  for (const Corruption corruption : all_corruptions())
    EXPECT_EQ(corruption_from_name(name_of(corruption)), corruption);
  EXPECT_EQ(name_of(Corruption::jpeg_compression), "jpeg_compression");
  EXPECT_NE(error_of([] { (void)corruption_from_name("frots"); }).find("'frost'"), std::string::npos);
}

TEST(CorruptionErrors, SaySeverityShapeAndSize) {
  const Bytes image = constant(1, 2, 3);
  EXPECT_NE(error_of([&] { (void)run(image, Corruption::fog, 0); }).find("1 to 5"), std::string::npos);
  EXPECT_NE(error_of([&] { (void)run(image, Corruption::fog, 6); }).find("got 6"), std::string::npos);
  EXPECT_NE(error_of([&] {
              (void)run(image, Corruption::fog, 1, 0, {32, 31, 3});
            }).find("2976"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              (void)run(image, Corruption::fog, 1, 0, {64, 48, 1});
            }).find("RGB"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              (void)run(Bytes(7 * 7 * 3), Corruption::fog, 1, 0, {7, 7, 3});
            }).find("8 x 8"),
            std::string::npos);
}

// Mean and variance of the difference that a corruption makes: of 16 rendered images, severities 1 to 5.
struct Damage {
  std::array<double, 5> squared{};
  std::array<double, 5> variance{};
};

Damage damage_of(const ImageSet& set, Corruption corruption) {
  Damage damage;
  for (std::size_t level = 0; level < 5; ++level) {
    for (std::uint32_t i = 0; i < 16; ++i) {
      const auto pixels = set.image(i);
      const Bytes image(pixels.begin(), pixels.end());
      const Bytes result = run(image, corruption, static_cast<int>(level) + 1, i);
      const double squared = squared_difference(result, image);
      const double shift = mean_of(result) - mean_of(image);
      damage.squared[level] += squared / 16;
      damage.variance[level] += (squared - shift * shift) / 16;
    }
  }
  return damage;
}

// The authors' own tables do not all grow in the mean squared difference; what does is tested instead.
TEST(Corruptions, GrowWithTheirSeverity) {
  const DataSets sets = make_synthetic({.train_size = 16, .test_size = 1, .seed = 5});
  for (const Corruption corruption : all_corruptions()) {
    const Damage damage = damage_of(sets.train, corruption);
    const auto& [d1, d2, d3, d4, d5] = damage.squared;
    EXPECT_GT(d1, 0) << name_of(corruption);
    if (corruption == Corruption::elastic_transform) {
      // Displacement grows while the skew shrinks.
      EXPECT_GT(std::min({d1, d2, d3, d4, d5}), 1);
    } else if (corruption == Corruption::glass_blur) {
      // The blur hides the shuffling; two rounds of it are more than one.
      EXPECT_GT(std::min(d4, d5), std::max({d1, d2, d3}));
    } else if (corruption == Corruption::motion_blur) {
      // From 3 to 4 only weights of nearly nothing are added.
      EXPECT_TRUE(d1 < d2 && d2 < d3 && d3 <= d4 && d4 < d5);
    } else {
      // Frost lightens and darkens at once, so that its mean says nothing.
      const auto& grows = corruption == Corruption::frost ? damage.variance : damage.squared;
      for (std::size_t level = 1; level < 5; ++level)
        EXPECT_GT(grows[level], grows[level - 1]) << name_of(corruption) << level + 1;
    }
  }
}

TEST(Corruptions, DependOnSeedAndImageAlone) {
  const Bytes image = natural_image();
  for (const Corruption corruption : all_corruptions()) {
    const bool drawn = corruption != Corruption::defocus_blur && corruption != Corruption::zoom_blur &&
                       corruption != Corruption::brightness && corruption != Corruption::contrast &&
                       corruption != Corruption::pixelate && corruption != Corruption::jpeg_compression;
    const Bytes once = corrupt(image, kSmall, corruption, 3, 1, 7);
    EXPECT_EQ(once, corrupt(image, kSmall, corruption, 3, 1, 7)) << name_of(corruption);
    EXPECT_EQ(once != corrupt(image, kSmall, corruption, 3, 1, 8), drawn) << name_of(corruption);
    EXPECT_EQ(once != corrupt(image, kSmall, corruption, 3, 2, 7), drawn) << name_of(corruption);
  }
}

TEST(Corruptions, WorkOnLargeImagesThatAreNotSquare) {
  const MapShape shape{96, 70, 3};
  const Bytes image = painted(
      [](auto y, auto x, auto c) { return static_cast<std::uint8_t>((3 * y + 2 * x + 40 * c) % 256); },
      shape);
  for (const Corruption corruption : all_corruptions()) {
    for (int severity = 1; severity <= 5; ++severity) {
      const Bytes result = run(image, corruption, severity, 0, shape);
      ASSERT_EQ(result.size(), image.size());
      EXPECT_NE(result, image) << name_of(corruption) << severity;
    }
  }
}

TEST(CorruptedSet, CorruptsEachSampleByItsIndexInTheFullSet) {
  const DataSets sets = make_synthetic({.train_size = 20, .test_size = 10, .seed = 2});
  const std::vector<std::int64_t> chosen{9, 4};
  const ImageSet part = sets.train.subset(chosen);
  const ImageSet result = corrupted(part, Corruption::snow, 2, 6);
  EXPECT_EQ(result.name(), "synthetic/snow-2");
  EXPECT_EQ(result.size(), 2);
  EXPECT_EQ(result.statistics().mean, sets.train.statistics().mean);
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(result.label(i), part.label(i));
    const Bytes expected = corrupt(part.image(i), kSmall, Corruption::snow, 2, 6,
                                   static_cast<std::uint32_t>(chosen[static_cast<std::size_t>(i)]));
    EXPECT_TRUE(std::ranges::equal(result.image(i), expected));
  }
  EXPECT_THROW((void)corrupted(part, Corruption::snow, 9, 6), Error);
}

}  // namespace
}  // namespace secateur::data
