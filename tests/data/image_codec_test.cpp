// Decoding, over the files of tests/data/images (make_images.py there), whose pixels Pillow saw.
#include "secateur/data/image_codec.h"

#include <cmath>
#include <cstdlib>

#include "data_fixtures.h"
#include "image_fixtures.h"
#include "selftest/op_run.h"

namespace secateur::data {
namespace {

class DecodedLikePillow : public ::testing::TestWithParam<const char*> {};

TEST_P(DecodedLikePillow, ToHalfALevelInTheMean) {
  const RgbxImage found = decode_test_image(GetParam());
  const RgbxImage expected = decode_test_image(std::filesystem::path(GetParam()).stem().string() + ".png");
  ASSERT_EQ(found.height, expected.height);
  ASSERT_EQ(found.width, expected.width);
  EXPECT_LE(mean_difference(found, expected), 0.5);
}

INSTANTIATE_TEST_SUITE_P(Files, DecodedLikePillow,
                         ::testing::Values("photo.jpg", "progressive.jpg", "full_colour.jpg", "grey.jpg",
                                           "inks.jpg", "orientation_1.jpg", "orientation_2.jpg",
                                           "orientation_3.jpg", "orientation_4.jpg", "orientation_5.jpg",
                                           "orientation_6.jpg", "orientation_7.jpg", "orientation_8.jpg",
                                           "really_a_png.JPEG"));

// The pixels of a region are those of the whole, wherever it lies and however the camera was held.
TEST(ImageDecoder, PartsAreThoseOfTheWhole) {
  for (const char* name :
       {"photo.jpg", "progressive.jpg", "orientation_6.jpg", "orientation_8.jpg", "photo.png"}) {
    const RgbxImage whole = decode_test_image(name);
    const std::vector<std::byte> bytes = test_image(name);
    RandomSequence random(selftest::test_seed(), RngPurpose::test);
    for (int i = 0; i < 60; ++i) {
      const auto draw = [&](std::int64_t extent) {
        const std::int64_t length = 1 + random.below(static_cast<std::uint32_t>(extent));
        return std::pair(random.below(static_cast<std::uint32_t>(extent - length + 1)), length);
      };
      const auto [y, height] = draw(whole.height);
      const auto [x, width] = draw(whole.width);
      const Region region{static_cast<double>(y), static_cast<double>(x), static_cast<double>(height),
                          static_cast<double>(width)};
      const DecodedRegion part = ImageDecoder(bytes, name).decode(region);
      ASSERT_EQ(part.region.height, region.height);
      ASSERT_EQ(part.region.width, region.width);
      const auto top = static_cast<std::int64_t>(part.region.y);
      const auto left = static_cast<std::int64_t>(part.region.x);
      for (std::int64_t row = 0; row < height; ++row) {
        for (std::int64_t column = 0; column < width; ++column) {
          for (std::int64_t c = 0; c < 3; ++c) {
            ASSERT_EQ(level(part.image, top + row, left + column, c), level(whole, y + row, x + column, c))
                << name << " region " << y << " " << x << " " << height << " " << width;
          }
        }
      }
    }
  }
}

TEST(ImageDecoder, ScalesWhereTheRegionStaysLargeEnough) {
  const std::vector<std::byte> bytes = test_image("photo.jpg");  // 96 x 131
  const Region all{0, 0, 96, 131};
  const auto decoded_height = [&](std::int64_t least) {
    const DecodedRegion part = ImageDecoder(bytes, "photo").decode_for(all, least, least);
    EXPECT_GE(part.region.height, static_cast<double>(least));
    EXPECT_NEAR(part.region.width / part.region.height, 131.0 / 96.0, 1e-9);
    return part.image.height;
  };
  EXPECT_EQ(decoded_height(12), 12);
  EXPECT_EQ(decoded_height(13), 24);
  EXPECT_EQ(decoded_height(48), 48);
  EXPECT_EQ(decoded_height(49), 96);
}

TEST(ImageDecoder, WhatItEncodesItReadsAgain) {
  const RgbxImage image = decode_test_image("photo.png");
  const std::vector<std::byte> ppm = encode_ppm(image);
  EXPECT_EQ(mean_difference(ImageDecoder(ppm, "ppm").decode(), image), 0);
  const std::vector<std::byte> fine = encode_jpeg(image, 97);
  const std::vector<std::byte> coarse = encode_jpeg(image, 30);
  EXPECT_LT(mean_difference(ImageDecoder(fine, "fine").decode(), image), 4);
  EXPECT_LT(coarse.size(), fine.size() / 3);
  EXPECT_THROW((void)encode_jpeg(image, 0), Error);
}

TEST(ImageDecoder, SaysWhatIsWrongWithAFile) {
  const auto message = [](const std::vector<std::byte>& bytes) {
    return error_of([&] { (void)ImageDecoder(bytes, "some/file").decode(); });
  };
  const auto bytes_of = [](std::string_view text) {
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    return std::vector<std::byte>(first, first + text.size());
  };
  EXPECT_EQ(message({}), "'some/file' is empty");
  EXPECT_EQ(message(bytes_of("GIF89a..")),
            "'some/file' is no JPEG, PNG or binary PPM (P6): it begins with 47 49 46 38 39 61 2e 2e");
  EXPECT_NE(message(test_image("truncated.jpg")).find("'some/file': the JPEG is cut short or broken"),
            std::string::npos);
  EXPECT_NE(message(bytes_of("\xFF\xD8\xFF\xE0")).find("a broken JPEG header"), std::string::npos);
  std::vector<std::byte> png = test_image("photo.png");
  png.resize(png.size() / 2);
  EXPECT_NE(message(png).find("'some/file': the pixels of the PNG are broken"), std::string::npos);
  EXPECT_NE(message(bytes_of("\x89PNG\r\n\x1A\n....")).find("a broken PNG"), std::string::npos);
  EXPECT_NE(message(bytes_of("P6 4 4 255 abc")).find("48 bytes of pixels, has 3"), std::string::npos);
  EXPECT_NE(message(bytes_of("P6 99999 99999 255 ")).find("99999 x 99999 pixels is not read"),
            std::string::npos);
  EXPECT_NE(message(bytes_of("P6 4 4 65535 ")).find("full scale 65535"), std::string::npos);
}

// Whatever the bytes, an Error or pixels: flipped and lost bytes in every sort of file.
TEST(ImageDecoder, SurvivesDamage) {
  RandomSequence random(selftest::test_seed(), RngPurpose::test, 1);
  std::int64_t decoded = 0;
  std::int64_t refused = 0;
  for (const char* name :
       {"photo.jpg", "progressive.jpg", "inks.jpg", "orientation_6.jpg", "really_a_png.JPEG"}) {
    const std::vector<std::byte> whole = test_image(name);
    for (int i = 0; i < 300; ++i) {
      std::vector<std::byte> bytes = whole;
      const std::uint32_t flips = 1 + random.below(8);
      for (std::uint32_t k = 0; k < flips; ++k) {
        bytes[random.below(static_cast<std::uint32_t>(bytes.size()))] ^=
            static_cast<std::byte>(1U << random.below(8));
      }
      if (random.below(4) == 0) bytes.resize(random.below(static_cast<std::uint32_t>(bytes.size())));
      try {
        ImageDecoder decoder(bytes, name);
        if (decoder.height() * decoder.width() > 1000000) continue;  // a size that was hit; slow, not wrong
        const RgbxImage image = decoder.decode();
        ASSERT_EQ(static_cast<std::int64_t>(image.pixels.size()), image.height * image.width * 4);
        ++decoded;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(decoded, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace secateur::data
