#include "secateur/data/transforms.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data_fixtures.h"
#include "image_fixtures.h"

namespace secateur::data {
namespace {

RgbxImage resampled(const RgbxImage& image, const Region& region, const Output& output) {
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(output.height * output.width * 3));
  resample(image, region, output, rgb.data());
  return image_of(rgb, output.height, output.width);
}

int largest_difference(const RgbxImage& a, const RgbxImage& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    if (i % 4 != 3) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  }
  return largest;
}

TEST(Resample, IsPillowsAndPyTorchsToALevel) {
  const RgbxImage photo = decode_test_image("photo.png");
  const Region whole{0, 0, static_cast<double>(photo.height), static_cast<double>(photo.width)};
  const RgbxImage center = resampled(photo, whole, Output::center(photo.height, photo.width, 37, 32));
  for (const char* witness : {"photo_center_pillow.png", "photo_center_torch.png"}) {
    const RgbxImage expected = decode_test_image(witness);
    EXPECT_LE(mean_difference(center, expected), 0.2) << witness;
    EXPECT_LE(largest_difference(center, expected), 1) << witness;
  }
  EXPECT_LE(largest_difference(resampled(photo, {7, 20, 61, 77}, Output::all(24, false)),
                               decode_test_image("photo_crop.png")),
            1);
  EXPECT_LE(largest_difference(resampled(photo, {30, 50, 11, 9}, Output::all(24, false)),
                               decode_test_image("photo_enlarged.png")),
            1);
}

TEST(Resample, KeepsConstantsAndMirrors) {
  const RgbxImage grey{17, 23, std::vector<std::uint8_t>(17 * 23 * 4, 201)};
  const RgbxImage small = resampled(grey, {0, 0, 17, 23}, Output::all(5, false));
  for (std::size_t i = 0; i < small.pixels.size(); ++i) {
    ASSERT_EQ(small.pixels[i], i % 4 == 3 ? 0 : 201);
  }
  const RgbxImage photo = decode_test_image("photo.png");
  const RgbxImage plain = resampled(photo, {3, 5, 80, 90}, Output::all(16, false));
  const RgbxImage mirrored = resampled(photo, {3, 5, 80, 90}, Output::all(16, true));
  for (std::int64_t y = 0; y < 16; ++y) {
    for (std::int64_t x = 0; x < 16; ++x) ASSERT_EQ(level(plain, y, x, 1), level(mirrored, y, 15 - x, 1));
  }
}

// What reads() names is enough: a crop of it gives the pixels that the whole image gives.
TEST(Resample, ReadsNoFurtherThanItSays) {
  const RgbxImage photo = decode_test_image("photo.png");
  for (const std::int64_t shorter : {20, 37, 96, 140}) {
    const Output output =
        Output::center(photo.height, photo.width, shorter, std::min<std::int64_t>(shorter, 18));
    const Region part = output.reads(photo.height, photo.width);
    RgbxImage cut{static_cast<std::int64_t>(part.height), static_cast<std::int64_t>(part.width), {}};
    for (std::int64_t y = 0; y < cut.height; ++y) {
      const auto row = static_cast<std::int64_t>(part.y) + y;
      const auto begin = photo.pixels.begin() + (row * photo.width + static_cast<std::int64_t>(part.x)) * 4;
      cut.pixels.insert(cut.pixels.end(), begin, begin + cut.width * 4);
    }
    const Region whole{0, 0, static_cast<double>(photo.height), static_cast<double>(photo.width)};
    const Region shifted{-part.y, -part.x, whole.height, whole.width};
    EXPECT_EQ(resampled(cut, shifted, output).pixels, resampled(photo, whole, output).pixels) << shorter;
  }
}

TEST(RandomCrop, DrawsAreasAndRatiosEvenly) {
  const RandomCrop crop;
  RandomSequence random(5, RngPurpose::test);
  double area_sum = 0;
  constexpr int kDraws = 4000;
  int wide = 0;
  for (int i = 0; i < kDraws; ++i) {
    const Region region = crop.draw(1000, 1000, random);
    ASSERT_GE(region.y, 0);
    ASSERT_GE(region.x, 0);
    ASSERT_LE(region.y + region.height, 1000);
    ASSERT_LE(region.x + region.width, 1000);
    const double area = region.height * region.width / 1e6;
    ASSERT_GE(area, 0.079);
    ASSERT_LE(region.width / region.height, 4.0 / 3.0 + 0.01);
    ASSERT_GE(region.width / region.height, 3.0 / 4.0 - 0.01);
    area_sum += area;
    wide += region.width > region.height ? 1 : 0;
  }
  // A large area fits at few ratios only, so that the mean stays below (0.08 + 1) / 2.
  EXPECT_NEAR(area_sum / kDraws, 0.5, 0.06);
  EXPECT_NEAR(static_cast<double>(wide) / kDraws, 0.5, 0.04);
}

TEST(RandomCrop, TakesTheCentreWhereNothingFits) {
  const RandomCrop crop{.least_area = 0.9};
  RandomSequence random(5, RngPurpose::test);
  EXPECT_EQ(crop.draw(10, 1000, random), (Region{0, 493, 10, 13}));
  EXPECT_EQ(crop.draw(1000, 9, random), (Region{494, 0, 12, 9}));
}

TEST(ColorJitter, StaysWithinItsStrengthAndIsOffAtZero) {
  std::vector<std::uint8_t> rgb(300, 100);
  RandomSequence random(3, RngPurpose::test);
  const std::vector<std::uint8_t> before = rgb;
  ColorJitter{}.apply(rgb.data(), 100, random);
  EXPECT_EQ(rgb, before);
  // Grey of one level: contrast and saturation change nothing, brightness up to a fifth.
  int least = 255;
  int greatest = 0;
  for (int i = 0; i < 300; ++i) {
    std::vector<std::uint8_t> drawn = before;
    ColorJitter{0.2}.apply(drawn.data(), 100, random);
    ASSERT_TRUE(std::ranges::all_of(drawn, [&](std::uint8_t v) { return v == drawn[0]; }));
    least = std::min<int>(least, drawn[0]);
    greatest = std::max<int>(greatest, drawn[0]);
  }
  EXPECT_GE(least, 80);
  EXPECT_LE(least, 83);
  EXPECT_LE(greatest, 120);
  EXPECT_GE(greatest, 117);
}

// Expected pixels are those of Python's colorsys (rgb_to_hsv, the turn, hsv_to_rgb), whose formulas
// torchvision's adjust_hue shares.
TEST(ColorJitter, TurnsTheHueAsOthersDo) {
  const std::vector<std::uint8_t> rgb{255, 0,  0,  0,   255, 0,  0,   0,   255, 200, 200, 0,
                                      10,  20, 30, 250, 128, 3,  3,   128, 250, 128, 128, 128,
                                      90,  17, 60, 120, 155, 52, 202, 245, 79,  46,  34,  10};
  const std::vector<std::pair<double, std::vector<int>>> turned{
      {0.1, {255, 153, 0,   0,   255, 153, 153, 0,  255, 80, 200, 0,  12,  10,  30, 224, 250, 3,
             26,  3,   250, 128, 128, 128, 90,  18, 17,  58, 155, 52, 102, 245, 79, 36,  46,  10}},
      {-0.25, {128, 0,   255, 255, 127, 0,   0,  255, 128, 200, 0,  100, 10,  30, 10,  250, 3,  248,
               5,   250, 3,   128, 128, 128, 17, 24,  90,  155, 52, 68,  245, 79, 119, 46,  10, 40}},
      {0.5, {0,   255, 255, 255, 0,   255, 255, 255, 0,  0,  0,  200, 30,  20, 10,  3,  125, 250,
             250, 125, 3,   128, 128, 128, 17,  90,  47, 87, 52, 155, 122, 79, 245, 10, 22,  46}}};
  for (const auto& [turn, expected] : turned) {
    std::vector<std::uint8_t> pixels = rgb;
    turn_hue(pixels.data(), static_cast<std::int64_t>(rgb.size()) / 3, turn);
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      EXPECT_NEAR(pixels[i], expected[i], 1) << "turn " << turn << ", value " << i;
    }
  }
  std::vector<std::uint8_t> whole = rgb;
  turn_hue(whole.data(), static_cast<std::int64_t>(rgb.size()) / 3, 1.0);
  EXPECT_EQ(whole, rgb);
}

// A jitter of the hue alone keeps the largest and the smallest value of each pixel, and draws once an image.
TEST(ColorJitter, OfTheHueIsDrawnAfterTheOthers) {
  RandomSequence random(3, RngPurpose::test);
  std::vector<std::uint8_t> pixels{200, 40, 90, 10, 250, 70};
  ColorJitter{.hue = 0.5}.apply(pixels.data(), 2, random);
  EXPECT_EQ(std::max({pixels[0], pixels[1], pixels[2]}), 200);
  EXPECT_EQ(std::min({pixels[0], pixels[1], pixels[2]}), 40);
  EXPECT_EQ(std::max({pixels[3], pixels[4], pixels[5]}), 250);
  EXPECT_EQ(std::min({pixels[3], pixels[4], pixels[5]}), 10);
  EXPECT_NE(pixels, (std::vector<std::uint8_t>{200, 40, 90, 10, 250, 70}));

  RandomSequence drawn(3, RngPurpose::test);
  const double turn = drawn.uniform(-0.5, 0.5);
  std::vector<std::uint8_t> again{200, 40, 90, 10, 250, 70};
  turn_hue(again.data(), 2, turn);
  EXPECT_EQ(pixels, again);
}

}  // namespace
}  // namespace secateur::data
