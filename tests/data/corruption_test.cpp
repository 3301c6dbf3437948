#include "secateur/data/corruption.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "data_fixtures.h"
#include "secateur/data/synthetic.h"

namespace secateur::data {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr MapShape kSmall{32, 32, 3};
constexpr std::uint64_t kSeed = 11;

Bytes run(const Bytes& image, Corruption corruption, int severity, std::uint32_t index = 0,
          MapShape shape = kSmall) {
  return corrupt(image, shape, corruption, severity, kSeed, index);
}

Bytes constant(std::uint8_t r, std::uint8_t g, std::uint8_t b, MapShape shape = kSmall) {
  Bytes image;
  for (std::int64_t i = 0; i < shape.positions(); ++i) image.insert(image.end(), {r, g, b});
  return image;
}

// Value of a channel at (y, x), from a function of the position.
Bytes painted(const std::function<std::uint8_t(std::int64_t, std::int64_t, std::int64_t)>& value,
              MapShape shape = kSmall) {
  Bytes image;
  for (std::int64_t y = 0; y < shape.height; ++y) {
    for (std::int64_t x = 0; x < shape.width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) image.push_back(value(y, x, c));
    }
  }
  return image;
}

int pixel(const Bytes& image, std::int64_t y, std::int64_t x, std::int64_t c = 0, std::int64_t width = 32) {
  return image[static_cast<std::size_t>((y * width + x) * 3 + c)];
}

double mean_of(const Bytes& image) {
  double sum = 0;
  for (const std::uint8_t value : image) sum += value;
  return sum / static_cast<double>(image.size());
}

double deviation_of(const Bytes& image) {
  const double mean = mean_of(image);
  double sum = 0;
  for (const std::uint8_t value : image) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(image.size()));
}

double squared_difference(const Bytes& a, const Bytes& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

int largest_difference(const Bytes& a, const Bytes& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
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

Bytes natural_image() {
  const DataSets sets = make_synthetic({.train_size = 1, .test_size = 1, .seed = 5});
  const auto image = sets.train.image(0);
  return {image.begin(), image.end()};
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
