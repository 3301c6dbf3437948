// Weather and digital corruptions against their definitions.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "corruption_fixtures.h"

namespace secateur::data {
namespace {

TEST(Snow, OnlyBrightensAndTurnsIntoItself) {
  const Bytes black = constant(0, 0, 0);
  for (int severity = 1; severity <= 5; ++severity) {
    const Bytes fallen = run(black, Corruption::snow, severity);
    // The layer and itself turned: the same image from below. Black alone would be (1 - weight) / 2.
    const std::array<double, 5> weight{0.95, 0.9, 0.9, 0.85, 0.8};
    const int floor = static_cast<int>(127.5 * (1 - weight[static_cast<std::size_t>(severity - 1)]));
    for (std::int64_t y = 0; y < 32; ++y) {
      for (std::int64_t x = 0; x < 32; ++x) {
        ASSERT_GE(pixel(fallen, y, x), floor);
        ASSERT_NEAR(pixel(fallen, y, x), pixel(fallen, 31 - y, 31 - x), 1);
        ASSERT_EQ(pixel(fallen, y, x, 0), pixel(fallen, y, x, 2));
      }
    }
    EXPECT_GT(deviation_of(fallen), 0.5) << severity;
  }
}

TEST(Frost, IsAWeightedSumOfImageAndOneTexture) {
  const std::array<double, 5> image_weight{1, 1, 0.9, 0.85, 0.75};
  const std::array<double, 5> ice_weight{0.2, 0.3, 0.4, 0.4, 0.45};
  const Bytes first_ice = run(constant(0, 0, 0), Corruption::frost, 1);
  EXPECT_GT(deviation_of(first_ice), 2);
  EXPECT_GT(pixel(first_ice, 3, 3, 2), pixel(first_ice, 3, 3, 0));  // bluish
  for (int severity = 1; severity <= 5; ++severity) {
    const auto s = static_cast<std::size_t>(severity - 1);
    const Bytes ice = run(constant(0, 0, 0), Corruption::frost, severity);
    const Bytes over = run(constant(100, 100, 100), Corruption::frost, severity);
    for (std::size_t i = 0; i < ice.size(); ++i) {
      ASSERT_NEAR(over[i] - ice[i], 100 * image_weight[s], 1);
      ASSERT_NEAR(ice[i], first_ice[i] * ice_weight[s] / 0.2, 0.5 + 0.5 * ice_weight[s] / 0.2);
    }
  }
}

TEST(Fog, MixesWithAPlasmaFromNoneToFull) {
  const std::array<double, 5> thickness{0.2, 0.5, 0.75, 1, 1.5};
  for (int severity = 1; severity <= 5; ++severity) {
    const double t = thickness[static_cast<std::size_t>(severity - 1)];
    // A white pixel in the far corner sets the maximum to 1: grey g becomes (g + t m) / (1 + t), m in [0, 1].
    Bytes image = constant(51, 51, 51);
    std::fill(image.end() - 3, image.end(), std::uint8_t{255});
    const Bytes foggy = run(image, Corruption::fog, severity);
    const auto [low, high] = std::minmax_element(foggy.begin(), foggy.end() - 3);
    EXPECT_NEAR(*low, 51 / (1 + t), 1) << severity;
    EXPECT_NEAR(*high, 255 * (0.2 + t) / (1 + t), 1) << severity;
  }
}

TEST(Brightness, AddsToTheValueOfHsv) {
  const std::array<double, 5> added{0.05, 0.1, 0.15, 0.2, 0.3};
  for (int severity = 1; severity <= 5; ++severity) {
    const double c = 255 * added[static_cast<std::size_t>(severity - 1)];
    const Bytes lit = run(constant(100, 50, 0), Corruption::brightness, severity);
    EXPECT_NEAR(pixel(lit, 5, 5, 0), 100 + c, 0.51);
    EXPECT_NEAR(pixel(lit, 5, 5, 1), (100 + c) / 2, 0.51);  // saturation and hue as they were
    EXPECT_EQ(pixel(lit, 5, 5, 2), 0);
    EXPECT_NEAR(pixel(run(constant(0, 0, 0), Corruption::brightness, severity), 0, 0, 1), c, 0.51);
    EXPECT_EQ(pixel(run(constant(250, 125, 0), Corruption::brightness, severity), 0, 0, 0),
              std::min(255L, std::lround(250 + c)));
  }
}

TEST(Contrast, PullsEachChannelToItsMean) {
  const std::array<double, 5> factor{0.75, 0.5, 0.4, 0.3, 0.15};
  // Two halves: means are 100, 60 and 200.
  const Bytes halves = painted([](auto y, auto, auto c) {
    const std::array<int, 3> top{60, 40, 180};
    const std::array<int, 3> bottom{140, 80, 220};
    return static_cast<std::uint8_t>((y < 16 ? top : bottom)[static_cast<std::size_t>(c)]);
  });
  for (int severity = 1; severity <= 5; ++severity) {
    const double f = factor[static_cast<std::size_t>(severity - 1)];
    const Bytes dull = run(halves, Corruption::contrast, severity);
    EXPECT_NEAR(pixel(dull, 0, 0, 0), 100 - 40 * f, 0.51);
    EXPECT_NEAR(pixel(dull, 31, 31, 1), 60 + 20 * f, 0.51);
    EXPECT_NEAR(pixel(dull, 0, 9, 2), 200 - 20 * f, 0.51);
  }
}

TEST(ElasticTransform, LeavesAConstantAndIsAffineAtItsFirstSeverity) {
  const Bytes flat = constant(10, 20, 30);
  const Bytes ramp = painted([](auto y, auto x, auto c) {
    return static_cast<std::uint8_t>(c == 0 ? 4 * x + 60 : c == 1 ? 4 * y + 60 : 100);
  });
  for (int severity = 1; severity <= 5; ++severity)
    EXPECT_EQ(run(flat, Corruption::elastic_transform, severity), flat);
  // Near the centre, where nothing is reflected, a plane stays a plane under an affine map.
  const Bytes skewed = run(ramp, Corruption::elastic_transform, 1);
  EXPECT_NE(skewed, ramp);
  const auto second_difference = [&](const Bytes& image, std::int64_t x, std::int64_t c) {
    return std::abs(pixel(image, 16, x - 1, c) - 2 * pixel(image, 16, x, c) + pixel(image, 16, x + 1, c));
  };
  int largest_bend = 0;
  for (std::int64_t c = 0; c < 2; ++c) {
    for (std::int64_t x = 13; x < 19; ++x) {
      EXPECT_LE(second_difference(skewed, x, c), 2);
      for (std::uint32_t index = 0; index < 8; ++index) {
        const Bytes bent = run(ramp, Corruption::elastic_transform, 5, index);
        largest_bend = std::max(largest_bend, second_difference(bent, x, c));
      }
    }
  }
  EXPECT_GT(largest_bend, 3);
}

TEST(Pixelate, TakesMeansOfBoxesAndRepeatsThem) {
  const MapShape shape{100, 100, 3};
  RandomSequence random(5, RngPurpose::test);
  Bytes noise(static_cast<std::size_t>(shape.count()));
  for (std::uint8_t& value : noise) value = static_cast<std::uint8_t>(random.below(256));
  // Severity 5 of large images: 25 x 25, whole boxes of 4 x 4.
  const Bytes boxes = run(noise, Corruption::pixelate, 5, 0, shape);
  for (std::int64_t y = 0; y < 100; y += 4) {
    for (std::int64_t x = 0; x < 100; x += 4) {
      double sum = 0;
      for (std::int64_t i = 0; i < 16; ++i) {
        sum += pixel(noise, y + i / 4, x + i % 4, 1, 100);
        ASSERT_EQ(pixel(boxes, y + i / 4, x + i % 4, 1, 100), pixel(boxes, y, x, 1, 100));
      }
      ASSERT_NEAR(pixel(boxes, y, x, 1, 100), sum / 16, 1.01);  // rounded after each of two passes
    }
  }
  // 32 pixels become int(32 * 0.65) = 20: as many different columns are left of a ramp.
  const Bytes ramp = painted([](auto, auto x, auto) { return static_cast<std::uint8_t>(8 * x); });
  const Bytes coarse = run(ramp, Corruption::pixelate, 5);
  Bytes row;
  for (std::int64_t x = 0; x < 32; ++x) row.push_back(static_cast<std::uint8_t>(pixel(coarse, 0, x)));
  EXPECT_EQ(std::unique(row.begin(), row.end()) - row.begin(), 20);
}

TEST(Jpeg, RoundsTheMeanOfAConstantBlock) {
  // Grey: chroma is nothing. The DC coefficient 8 (v - 128) is rounded to multiples of the table's first
  // entry, 16, scaled by 0.4, 0.7, 0.84, 1 and 1.25: steps of 6, 11, 13, 16 and 20.
  const std::array<int, 5> steps{6, 11, 13, 16, 20};
  for (int severity = 1; severity <= 5; ++severity) {
    const int step = steps[static_cast<std::size_t>(severity - 1)];
    for (const int grey : {0, 4, 78, 128, 202, 254}) {  // none halfway between two steps
      const double dc = std::round(8.0 * (grey - 128) / step) * step;
      const double expected = std::clamp(128 + dc / 8, 0.0, 255.0);
      const auto level = static_cast<std::uint8_t>(grey);
      for (const std::uint8_t value :
           run(constant(level, level, level), Corruption::jpeg_compression, severity))
        ASSERT_NEAR(value, expected, 0.5001) << severity << " " << grey;
    }
  }
}

TEST(Jpeg, LosesFineColourAndKeepsCoarseGrey) {
  // Columns of red and green of equal luminance: chroma at half resolution makes them alike.
  const Bytes stripes = painted([](auto, auto x, auto c) {
    const std::array<int, 3> red{200, 50, 60};
    const std::array<int, 3> green{49, 127, 60};
    return static_cast<std::uint8_t>((x % 2 == 0 ? red : green)[static_cast<std::size_t>(c)]);
  });
  const Bytes lossy = run(stripes, Corruption::jpeg_compression, 1);
  EXPECT_LE(std::abs(pixel(lossy, 16, 16, 0) - pixel(lossy, 16, 17, 0)), 20);
  // One cosine of a block with an amplitude that is a multiple of its step survives as it is: quality 50,
  // coefficient (0, 1), step 11, 22 steps.
  const Bytes wave = painted([](auto, auto x, auto) {
    const double value =
        0.5 * std::sqrt(0.125) * 242 * std::cos((2 * static_cast<double>(x % 8) + 1) * std::numbers::pi / 16);
    return static_cast<std::uint8_t>(std::lround(128 + value));
  });
  EXPECT_LE(largest_difference(run(wave, Corruption::jpeg_compression, 4), wave), 1);
}

}  // namespace
}  // namespace secateur::data
