// Corruptions against the authors' own functions (make_corruption_golden.py), which were handed our random
// numbers where they draw any.
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "corruption_fixtures.h"
#include "test_paths.h"

namespace secateur::data {
namespace {

constexpr std::int64_t kSide = 224;
constexpr std::int64_t kStride = 2351;

int triangle(std::int64_t value) { return static_cast<int>(std::abs(value % 510 - 255)); }

// The image of the script.
Bytes script_image() {
  Bytes image;
  for (std::int64_t y = 0; y < kSide; ++y) {
    for (std::int64_t x = 0; x < kSide; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        const int value = 2 * triangle(3 * y + 2 * x + 40 * c) + triangle(11 * x + 7 * y * (c + 1));
        image.push_back(static_cast<std::uint8_t>(value / 3));
      }
    }
  }
  return image;
}

// How far a value may lie from the script's, which is not rounded, and the mean of all. What is more than
// half a level is said in corruption.h: the script cuts the rim of its largest disks; libjpeg's transforms
// are in integers, so that a coefficient at the edge of two steps may fall to the other side; behind its
// first blur, glass_blur cuts fractions off; OpenCV's affine map has positions in 32nds of a pixel;
// ImageMagick cuts what it has blurred to whole levels, and the two layers of snow were cut once more before
// that.
struct Tolerance {
  double value = 0.55;
  double mean = 0.35;
};
Tolerance tolerance(Corruption corruption, int severity) {
  switch (corruption) {
    case Corruption::defocus_blur:
      return severity >= 4 ? Tolerance{3.5, 2.5} : Tolerance{0.7, 0.35};
    case Corruption::pixelate:
      return {1, 0.5};
    case Corruption::jpeg_compression:
      return {32, 1.5};
    case Corruption::glass_blur:
      return {1.6, 1};
    case Corruption::motion_blur:
      return {1, 0.6};
    case Corruption::snow:
      return {2.5, 0.6};
    case Corruption::elastic_transform:
      return {1.6, 0.6};
    default:
      return {};
  }
}

TEST(CorruptionGolden, EqualsTheAuthorsFunctions) {
  std::ifstream file(std::string(test::kSourceDir) + "/tests/data/corruption_golden.txt");
  const Bytes image = script_image();
  std::map<Corruption, int> seen;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    int severity = 0;
    words >> name >> severity;
    const Corruption corruption = corruption_from_name(name);
    const Bytes result = corrupt(image, {kSide, kSide, 3}, corruption, severity, 0, 0);
    const Tolerance allowed = tolerance(corruption, severity);
    double difference = 0;
    std::size_t count = 0;
    for (double expected = 0; words >> expected; ++count) {
      const std::size_t place = count * kStride % result.size();
      const double error = std::abs(result[place] - expected);
      difference += error;
      EXPECT_LE(error, allowed.value) << name << ' ' << severity << " at " << place;
    }
    ASSERT_EQ(count, 64U) << line;
    EXPECT_LE(difference / 64, allowed.mean) << name << ' ' << severity;
    ++seen[corruption];
  }
  EXPECT_EQ(seen.size(), 14U);
  for (const auto& [corruption, severities] : seen) EXPECT_EQ(severities, 5) << name_of(corruption);
}

}  // namespace
}  // namespace secateur::data
