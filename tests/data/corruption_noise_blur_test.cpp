// Noise and blur against their definitions.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "corruption_fixtures.h"

namespace secateur::data {
namespace {

TEST(GaussianNoise, HasMeanZeroAndTheDeviationOfItsTable) {
  const std::array<double, 5> small{0.04, 0.06, 0.08, 0.09, 0.10};
  const Bytes grey = constant(128, 128, 128);
  for (int severity = 1; severity <= 5; ++severity) {
    const Bytes noisy = run(grey, Corruption::gaussian_noise, severity);
    const double expected = 255 * small[static_cast<std::size_t>(severity - 1)];
    // 3072 values: four standard errors of the mean and of the deviation.
    EXPECT_NEAR(mean_of(noisy), 128, 4 * expected / std::sqrt(3072.0)) << severity;
    EXPECT_NEAR(deviation_of(noisy), expected, 4 * expected / std::sqrt(2 * 3072.0)) << severity;
  }
  const Bytes large =
      run(constant(128, 128, 128, {96, 40, 3}), Corruption::gaussian_noise, 1, 0, {96, 40, 3});
  EXPECT_NEAR(deviation_of(large), 255 * 0.08, 1.0);
}

TEST(ShotNoise, IsPoissonInTheNumberOfPhotons) {
  const std::array<double, 5> photons{500, 250, 100, 75, 50};
  for (int severity = 1; severity <= 5; ++severity) {
    const double count = photons[static_cast<std::size_t>(severity - 1)];
    const Bytes noisy = run(constant(102, 102, 102), Corruption::shot_noise, severity);
    const double expected = 255 * std::sqrt(0.4 / count);
    EXPECT_NEAR(mean_of(noisy), 102, 4 * expected / std::sqrt(3072.0)) << severity;
    EXPECT_NEAR(deviation_of(noisy), expected, 4 * expected / std::sqrt(2 * 3072.0) + 0.05) << severity;
    // Values are whole numbers of photons.
    for (const std::uint8_t value : noisy) {
      const double whole = std::round(value * count / 255);
      ASSERT_EQ(std::lround(std::min(1.0, whole / count) * 255), value);
      if (count >= 255) break;  // there every grey level is near some number
    }
  }
  const Bytes black = constant(0, 0, 0);
  EXPECT_EQ(run(black, Corruption::shot_noise, 5), black);
}

TEST(ImpulseNoise, ReplacesTheShareOfItsTableBySaltAndPepper) {
  const std::array<double, 5> share{0.01, 0.02, 0.03, 0.05, 0.07};
  for (int severity = 1; severity <= 5; ++severity) {
    double hits = 0;
    double salt = 0;
    constexpr std::uint32_t kImages = 10;
    for (std::uint32_t index = 0; index < kImages; ++index) {
      for (const std::uint8_t value : run(constant(77, 77, 77), Corruption::impulse_noise, severity, index)) {
        ASSERT_TRUE(value == 77 || value == 0 || value == 255);
        hits += value != 77 ? 1 : 0;
        salt += value == 255 ? 1 : 0;
      }
    }
    const double values = 3072.0 * kImages;
    const double p = share[static_cast<std::size_t>(severity - 1)];
    EXPECT_NEAR(hits / values, p, 4 * std::sqrt(p / values)) << severity;
    EXPECT_NEAR(salt / hits, 0.5, 4 * std::sqrt(0.25 / hits)) << severity;
  }
}

TEST(Blurs, LeaveAConstantAndKeepTheMean) {
  const Bytes flat = constant(30, 120, 210);
  // Dark at the border, so that nothing is lost or gained there.
  const Bytes spot = painted([](auto y, auto x, auto) {
    const bool within = y >= 13 && y < 19 && x >= 13 && x < 19;
    return static_cast<std::uint8_t>(within ? 200 : 0);
  });
  for (const Corruption blur :
       {Corruption::defocus_blur, Corruption::glass_blur, Corruption::motion_blur, Corruption::zoom_blur}) {
    for (int severity = 1; severity <= 5; ++severity) {
      EXPECT_EQ(run(flat, blur, severity), flat) << name_of(blur) << severity;
      if (blur == Corruption::defocus_blur || blur == Corruption::motion_blur) {
        EXPECT_NEAR(mean_of(run(spot, blur, severity)), mean_of(spot), 0.1) << name_of(blur) << severity;
      }
    }
  }
}

Bytes impulse(MapShape shape, std::int64_t row, std::int64_t column) {
  return painted(
      [=](auto y, auto x, auto) { return static_cast<std::uint8_t>(y == row && x == column ? 255 : 0); },
      shape);
}

TEST(DefocusBlur, OfAPointIsADisk) {
  // Severity 4 of small images: radius 1, blurred by 0.2, which moves next to nothing: five equal weights.
  const Bytes small = run(impulse(kSmall, 16, 16), Corruption::defocus_blur, 4);
  EXPECT_EQ(pixel(small, 16, 16), 51);
  EXPECT_EQ(pixel(small, 15, 16), 51);
  EXPECT_EQ(pixel(small, 16, 17), 51);
  EXPECT_EQ(pixel(small, 15, 15), 0);
  // Severity 1 of large ones: radius 3, 29 pixels.
  const MapShape large{96, 96, 3};
  const Bytes disk = run(impulse(large, 48, 48), Corruption::defocus_blur, 1, 0, large);
  for (std::int64_t y = 0; y < 96; ++y) {
    for (std::int64_t x = 0; x < 96; ++x) {
      const bool within = (y - 48) * (y - 48) + (x - 48) * (x - 48) <= 9;
      ASSERT_EQ(pixel(disk, y, x, 0, 96), within ? 9 : 0) << y << " " << x;
    }
  }
}

TEST(GlassBlur, CopiesPixelsOfTheNeighbourhoodAlone) {
  // Columns in steps of 5: at severity 1 (next to no blur, one round, one pixel to the left or none) a pixel
  // comes from its own column or the one before; copies follow each other from the bottom right, never back.
  const Bytes steps = painted([](auto, auto x, auto) { return static_cast<std::uint8_t>(5 * x); });
  const Bytes shuffled = run(steps, Corruption::glass_blur, 1);
  int moved = 0;
  for (std::int64_t y = 0; y < 32; ++y) {
    for (std::int64_t x = 0; x < 32; ++x) {
      const int shift = (pixel(steps, y, x) - pixel(shuffled, y, x)) / 5;
      ASSERT_TRUE(shift == 0 || shift == 1) << y << " " << x;
      ASSERT_TRUE((y >= 2 && x >= 2) || shift == 0);
      moved += shift;
    }
  }
  EXPECT_NEAR(moved, 450, 4 * 15);  // of 30 * 30, each with probability 1/2
}

TEST(MotionBlur, OfAPointIsALineFromIt) {
  for (std::uint32_t index = 0; index < 4; ++index) {
    const Bytes line = run(impulse(kSmall, 16, 24), Corruption::motion_blur, 5, index);
    EXPECT_GT(pixel(line, 16, 24), 60);  // the first and largest weight
    double sum = 0;
    double slope_sum = 0;
    double steps = 0;
    for (std::int64_t y = 0; y < 32; ++y) {
      for (std::int64_t x = 0; x < 32; ++x) {
        const double value = pixel(line, y, x);
        sum += value;
        if (value > 0) {
          EXPECT_LE(x, 24);  // one-sided: within 45 degrees of a row
          EXPECT_LE(std::abs(y - 16), 24 - x + 1);
        }
        if (x < 24) {
          slope_sum += value * static_cast<double>(y - 16);
          steps += value * static_cast<double>(24 - x);
        }
      }
    }
    EXPECT_NEAR(sum, 255, 4);
    const double slope = slope_sum / steps;
    EXPECT_LE(std::abs(slope), 1.05);
    for (std::int64_t y = 0; y < 32; ++y) {
      for (std::int64_t x = 0; x < 32; ++x) {
        if (pixel(line, y, x) > 1) {
          EXPECT_NEAR(static_cast<double>(y - 16), slope * static_cast<double>(24 - x), 1.3);
        }
      }
    }
  }
}

TEST(ZoomBlur, MovesOutwardsFromTheCentre) {
  // A bright disk grows: darker inside never, brighter outside its edge.
  const auto radius = [](auto y, auto x) {
    return std::hypot(static_cast<double>(y) - 15.5, static_cast<double>(x) - 15.5);
  };
  const Bytes disk =
      painted([&](auto y, auto x, auto) { return static_cast<std::uint8_t>(radius(y, x) < 10 ? 200 : 0); });
  const Bytes blurred = run(disk, Corruption::zoom_blur, 5);
  EXPECT_EQ(pixel(blurred, 15, 15), 200);
  EXPECT_GT(pixel(blurred, 15, 26), 0);  // radius 10.5
  EXPECT_EQ(pixel(blurred, 15, 30), 0);  // radius 14.5 is beyond 10 * 1.26 and a pixel
  EXPECT_GT(mean_of(blurred), mean_of(disk));
}

}  // namespace
}  // namespace secateur::data
