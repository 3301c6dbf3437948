// JPEGs with restart markers: the same coefficients, and parts that are cut out before they are decoded.
#include "../../data/src/jpeg_cells.h"

#include <algorithm>

#include "data_fixtures.h"
#include "image_fixtures.h"
#include "secateur/core/error.h"
#include "selftest/op_run.h"

namespace secateur::data {
namespace {

// Smooth colours with edges and noise, so that neighbours matter.
RgbxImage picture(std::int64_t height, std::int64_t width) {
  RgbxImage image{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 4))};
  RandomSequence random(selftest::test_seed(), RngPurpose::test);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        const std::int64_t wave = 128 + 90 * ((y / 11 + x / 7 + c) % 2) - (y * 3 + x * (c + 1)) % 60;
        image.pixels[static_cast<std::size_t>((y * width + x) * 4 + c)] =
            static_cast<std::uint8_t>(wave + random.below(20));
      }
    }
  }
  return image;
}

std::vector<std::int64_t> restart_markers(std::span<const std::byte> jpeg) {
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i + 1 < jpeg.size(); ++i) {
    const int second = std::to_integer<int>(jpeg[i + 1]);
    if (jpeg[i] == std::byte{0xFF} && second >= 0xD0 && second <= 0xD7) numbers.push_back(second - 0xD0);
  }
  return numbers;
}

// A region of whole pixels within height x width.
Region draw_region(RandomSequence& random, std::int64_t height, std::int64_t width) {
  const auto draw = [&](std::int64_t extent) {
    const std::int64_t length = 1 + random.below(static_cast<std::uint32_t>(extent));
    return std::pair(random.below(static_cast<std::uint32_t>(extent - length + 1)), length);
  };
  const auto [y, h] = draw(height);
  const auto [x, w] = draw(width);
  return {static_cast<double>(y), static_cast<double>(x), static_cast<double>(h), static_cast<double>(w)};
}

// Pixels of the region alone.
std::vector<std::uint8_t> inner_pixels(const DecodedRegion& part) {
  std::vector<std::uint8_t> pixels;
  const auto at = [](double edge) { return static_cast<std::int64_t>(edge); };
  for (std::int64_t y = 0; y < at(part.region.height); ++y) {
    for (std::int64_t x = 0; x < at(part.region.width); ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        pixels.push_back(
            static_cast<std::uint8_t>(level(part.image, at(part.region.y) + y, at(part.region.x) + x, c)));
      }
    }
  }
  return pixels;
}

// Every sort of JPEG that is read: its restarted twin has the same pixels, whole and in parts, at full size
// and scaled.
class Restarted : public ::testing::TestWithParam<const char*> {
 public:
  [[nodiscard]] std::vector<std::byte> original() const {
    const std::string name = GetParam();
    if (name == "large") return encode_jpeg(picture(333, 500), 90);
    return test_image(name);
  }
};

TEST_P(Restarted, HasTheSamePixels) {
  const std::vector<std::byte> before = original();
  const std::vector<std::byte> after = with_restart_markers(before, GetParam());
  EXPECT_FALSE(restart_markers(after).empty());
  EXPECT_LT(static_cast<double>(after.size()), 1.1 * static_cast<double>(before.size()) + 200);
  const RgbxImage whole = ImageDecoder(before, GetParam()).decode();
  EXPECT_EQ(ImageDecoder(after, GetParam()).decode().pixels, whole.pixels);
  RandomSequence random(selftest::test_seed(), RngPurpose::test);
  for (int i = 0; i < 60; ++i) {
    const Region region = draw_region(random, whole.height, whole.width);
    const DecodedRegion part = ImageDecoder(after, GetParam()).decode(region);
    EXPECT_EQ(part.region.height, region.height);
    EXPECT_EQ(part.region.width, region.width);
    ASSERT_EQ(inner_pixels(part), inner_pixels(ImageDecoder(before, GetParam()).decode(region)))
        << region.y << " " << region.x << " " << region.height << " " << region.width;
  }
}

TEST_P(Restarted, ScalesAlike) {
  const std::vector<std::byte> before = original();
  const std::vector<std::byte> after = with_restart_markers(before, GetParam());
  const ImageDecoder sizes(before, GetParam());
  RandomSequence random(selftest::test_seed(), RngPurpose::test);
  for (int i = 0; i < 60; ++i) {
    // Corners on multiples of 8 keep the scaled region in whole pixels, where pixels can be set side by side.
    Region region = draw_region(random, sizes.height() / 8, sizes.width() / 8);
    for (double* edge : {&region.y, &region.x, &region.height, &region.width}) *edge *= 8;
    const auto target = static_cast<std::int64_t>(1 + random.below(16));
    const DecodedRegion a = ImageDecoder(before, GetParam()).decode_for(region, target, target);
    const DecodedRegion b = ImageDecoder(after, GetParam()).decode_for(region, target, target);
    ASSERT_EQ(a.region.height, b.region.height);
    ASSERT_EQ(inner_pixels(a), inner_pixels(b))
        << region.y << " " << region.x << " " << region.height << " " << region.width << " " << target;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Restarted,
                         ::testing::Values("large", "photo.jpg", "progressive.jpg", "full_colour.jpg",
                                           "grey.jpg", "inks.jpg", "orientation_1.jpg", "orientation_2.jpg",
                                           "orientation_3.jpg", "orientation_4.jpg", "orientation_5.jpg",
                                           "orientation_6.jpg", "orientation_7.jpg", "orientation_8.jpg"));

// Sixteen blocks of brightness to one of each colour are too many to be interleaved.
TEST(WithRestartMarkers, LeavesWhatCannotBeWrittenInOneScan) {
  const std::vector<std::byte> before = test_image("sampled_4x4.jpg");
  EXPECT_EQ(with_restart_markers(before, "sampled_4x4"), before);
  EXPECT_EQ(ImageDecoder(before, "sampled_4x4").decode().width, 75);
}

TEST(WithRestartMarkers, RefusesWhatIsBroken) {
  const std::string error =
      error_of([] { (void)with_restart_markers(test_image("truncated.jpg"), "a.jpg"); });
  EXPECT_NE(error.find("'a.jpg': the JPEG is cut short or broken"), std::string::npos) << error;
}

class Cut : public ::testing::Test {
 public:
  const RgbxImage image = picture(208, 320);  // 13 x 20 MCU; cells of 16 x 32 pixels
  const std::vector<std::byte> jpeg = with_restart_markers(encode_jpeg(image, 90), "picture");
};

TEST_F(Cut, HoldsTheCellsOfTheWindowAlone) {
  const auto cut = cut_jpeg(jpeg, {.y = 40, .x = 70, .height = 50, .width = 60});
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->window.y, 32);
  EXPECT_EQ(cut->window.x, 64);
  EXPECT_EQ(cut->window.height, 64);
  EXPECT_EQ(cut->window.width, 96);
  EXPECT_EQ(restart_markers(cut->bytes), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2}));
  const RgbxImage part = ImageDecoder(cut->bytes, "cut").decode();
  EXPECT_EQ(part.height, cut->window.height);
  EXPECT_EQ(part.width, cut->window.width);
  // 4 x 3 of 13 x 10 cells: their share of the codes, and the header.
  EXPECT_LT(cut->bytes.size(), jpeg.size() / 4);
}

TEST_F(Cut, ReachesTheLastRowAndColumn) {
  const auto cut = cut_jpeg(jpeg, {.y = 200, .x = 319, .height = 8, .width = 1});
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->window.y + cut->window.height, 208);
  EXPECT_EQ(cut->window.x + cut->window.width, 320);
  EXPECT_FALSE(cut_jpeg(jpeg, {.y = 0, .x = 0, .height = 208, .width = 320})) << "that is the whole";
}

TEST_F(Cut, LeavesFilesWithoutCellsAlone) {
  const Window window{.y = 40, .x = 70, .height = 50, .width = 60};
  EXPECT_FALSE(cut_jpeg(encode_jpeg(image, 90), window));
  EXPECT_FALSE(cut_jpeg(test_image("progressive.jpg"), window));
  EXPECT_FALSE(cut_jpeg(test_image("photo.png"), window));
  EXPECT_FALSE(cut_jpeg({}, window));
}

// What is decoded of a region does not depend on damage elsewhere, and damage within it is found as ever.
TEST_F(Cut, IsLeftToTheDecoderWhereMarkersAreOutOfOrder) {
  std::vector<std::byte> damaged = jpeg;
  std::size_t marker = 0;
  for (std::size_t i = 0; i + 1 < damaged.size(); ++i) {
    const int second = std::to_integer<int>(damaged[i + 1]);
    if (damaged[i] == std::byte{0xFF} && second >= 0xD0 && second <= 0xD7 && ++marker == 60) {
      damaged[i + 1] = static_cast<std::byte>(0xD0 + (second + 3) % 8);
    }
  }
  EXPECT_TRUE(cut_jpeg(damaged, {.y = 0, .x = 0, .height = 80, .width = 320})) << "before the damage";
  EXPECT_FALSE(cut_jpeg(damaged, {.y = 150, .x = 0, .height = 20, .width = 20})) << "behind it";
}

// Any prefix and any changed byte: an image or an Error, never anything else.
TEST_F(Cut, SurvivesDamage) {
  const Region region{40, 70, 50, 60};
  for (std::size_t length = 0; length < jpeg.size(); length += 97) {
    const auto prefix = std::span(jpeg).first(length);
    (void)cut_jpeg(prefix, {.y = 40, .x = 70, .height = 50, .width = 60});
  }
  RandomSequence random(selftest::test_seed(), RngPurpose::test);
  int errors = 0;
  for (int i = 0; i < 400; ++i) {
    std::vector<std::byte> damaged = jpeg;
    // The header more often than its share of the bytes.
    const auto reach = static_cast<std::uint32_t>(i % 2 == 0 ? 700 : jpeg.size());
    damaged[random.below(reach)] = static_cast<std::byte>(random.below(256));
    try {
      (void)ImageDecoder(damaged, "damaged").decode(region);
    } catch (const Error&) {
      ++errors;
    }
  }
  EXPECT_GT(errors, 10);
  EXPECT_LT(errors, 390);
}

TEST(RestartInterval, DividesTheRow) {
  EXPECT_EQ(restart_interval_for(32, 16), 2);
  EXPECT_EQ(restart_interval_for(24, 16), 2);
  EXPECT_EQ(restart_interval_for(21, 16), 3);
  EXPECT_EQ(restart_interval_for(31, 16), 31) << "a prime: whole rows";
  EXPECT_EQ(restart_interval_for(3, 16), 3);
  EXPECT_EQ(restart_interval_for(64, 8), 4);
}

}  // namespace
}  // namespace secateur::data
