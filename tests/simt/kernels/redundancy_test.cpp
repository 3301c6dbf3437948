#include "secateur/kernels/redundancy.h"

#include "kernel_test.h"
#include "paper_formula.h"
#include "simt/executor.h"

namespace secateur::kernels::test {
namespace {

struct Result {
  std::vector<double> sums;
  std::vector<double> constant;
};

// Streams the images through in batches of `batch`.
Result score(const MapBuffer& maps, const MapShape& shape, std::int64_t batch) {
  const std::vector<double> zeros(static_cast<std::size_t>(shape.channels), 0.0);
  const Array<double> sums(zeros);
  const Array<double> constant(zeros);
  for (std::int64_t first = 0; first < shape.images; first += batch) {
    MapShape part = shape;
    part.images = std::min(batch, shape.images - first);
    const Array<char> workspace(redundancy_workspace(part));
    const auto* data =
        static_cast<const char*>(maps.data()) + first * shape.positions * shape.ld * size_of(shape.type);
    EXPECT_TRUE(succeeded(
        redundancy(sums.data(), constant.data(), data, part, workspace.data(), workspace.bytes(), nullptr)));
  }
  return {sums.values(), constant.values()};
}

// Both ways through the kernel: images held on chip, and tiles of rows read twice.
class Redundancy : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { simt::options().shared_bytes = GetParam() ? 64 * 1024 : 4 * 1024; }
  void TearDown() override { simt::options() = {}; }
};
INSTANTIATE_TEST_SUITE_P(, Redundancy, ::testing::Bool(),
                         [](const auto& name) { return name.param ? "OnChip" : "Tiled"; });

void expect_paper(DType type, const Layout& layout, const std::vector<double>& values, std::int64_t images,
                  std::int64_t positions, std::int64_t channels) {
  SCOPED_TRACE(describe(type, layout) + ", T " + std::to_string(positions) + ", C " +
               std::to_string(channels));
  MapBuffer maps(type, images * positions, channels, channels + layout.extra_ld, layout.placement);
  maps.fill(values);
  const MapShape shape{type, images, positions, channels, maps.ld()};
  const PaperFormula paper(maps.values(), images, positions, channels);
  for (const std::int64_t batch : {images, std::int64_t{2}}) {
    const Result result = score(maps, shape, batch);
    EXPECT_EQ(result.constant, paper.constant_images());
    const std::vector<double> expected = paper.sums();
    for (std::size_t c = 0; c < expected.size(); ++c) {
      EXPECT_NEAR(result.sums[c], expected[c], 2e-6 * static_cast<double>(images * channels))
          << "channel " << c;
    }
  }
}

// Maps after a ReLU: many zeros, some maps all zero, channels of very different scale and offset.
std::vector<double> relu_maps(std::int64_t images, std::int64_t positions, std::int64_t channels) {
  Random random;
  std::vector<double> values(static_cast<std::size_t>(images * positions * channels));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto c = static_cast<std::int64_t>(i) % channels;
    const double scale = std::exp(static_cast<double>(c % 7) - 3.0);
    values[i] =
        c % 11 == 10 ? 0.0 : std::max(0.0, scale * (random.normal() + 0.3)) + (c % 3 == 2 ? 2.0 : 0.0);
  }
  return values;
}

TEST_P(Redundancy, EqualsThePaperOnRandomMapsInEveryLayout) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) {
      expect_paper(type, layout, relu_maps(3, 20, 24), 3, 20, 24);
      expect_paper(type, layout, relu_maps(3, 7, 11), 3, 7, 11);
    }
  }
}

TEST_P(Redundancy, EqualsThePaperOnLongAndWideMaps) {
  expect_paper(DType::f32, {}, relu_maps(1, 150, 70), 1, 150, 70);
  expect_paper(DType::f16, {}, relu_maps(1, 1500, 3), 1, 1500, 3);
}

TEST_P(Redundancy, ConstantDuplicatedAndOppositeMaps) {
  constexpr std::int64_t kImages = 4;
  constexpr std::int64_t kPositions = 36;
  constexpr std::int64_t kChannels = 8;
  Random random;
  std::vector<double> values;
  for (std::int64_t n = 0; n < kImages; ++n) {
    for (std::int64_t t = 0; t < kPositions; ++t) {
      const double a = random.normal();
      const double b = random.normal();
      // A map, its duplicate, its opposite, an affine image of it, another; constants: zero, 0.1, and one in
      // two images.
      values.insert(values.end(), {a, a, -a, 3 * a + 5, b, 0.0, 0.1, n % 2 == 0 ? 0.3 : b});
    }
  }
  MapBuffer maps(DType::f32, kImages * kPositions, kChannels);
  maps.fill(values);
  const Result result = score(maps, {DType::f32, kImages, kPositions, kChannels, kChannels}, kImages);
  EXPECT_EQ(result.constant, (std::vector<double>{0, 0, 0, 0, 0, 4, 4, 2}));
  expect_paper(DType::f32, {}, values, kImages, kPositions, kChannels);
  EXPECT_EQ(result.sums[5], 0.0);
  EXPECT_EQ(result.sums[6], 0.0);
}

TEST_P(Redundancy, LargeMeanSmallDeviation) {
  Random random;
  MapBuffer maps(DType::f32, 2 * 64, 6);
  maps.fill(random.normals(2 * 64 * 6, 100.0, 0.01));
  const Result result = score(maps, {DType::f32, 2, 64, 6, 6}, 2);
  const PaperFormula paper(maps.values(), 2, 64, 6);
  EXPECT_LE(relative_error(result.sums, paper.sums()), 1e-5);
}

TEST_P(Redundancy, OneChannelOrOnePositionScoresNothing) {
  Random random;
  MapBuffer one_channel(DType::f32, 3 * 10, 1);
  one_channel.fill(random.normals(30));
  const Result channel = score(one_channel, {DType::f32, 3, 10, 1, 1}, 3);
  EXPECT_EQ(channel.sums, std::vector<double>{0.0});
  EXPECT_EQ(channel.constant, std::vector<double>{0.0});
  MapBuffer one_position(DType::f16, 3, 10);
  one_position.fill(random.normals(30));
  const Result position = score(one_position, {DType::f16, 3, 1, 10, 10}, 3);
  EXPECT_EQ(position.sums, std::vector<double>(10, 0.0));
  EXPECT_EQ(position.constant, std::vector<double>(10, 3.0));
}

TEST_P(Redundancy, OneBadValueMakesEverySumNan) {
  for (const double bad : {std::nan(""), static_cast<double>(INFINITY)}) {
    Random random;
    std::vector<double> values = random.normals(2 * 12 * 9);
    values[100] = bad;
    MapBuffer maps(DType::f32, 2 * 12, 9);
    maps.fill(values);
    for (const double sum : score(maps, {DType::f32, 2, 12, 9, 9}, 2).sums) EXPECT_TRUE(std::isnan(sum));
  }
}

TEST_P(Redundancy, RefusesWhatBreaksTheContract) {
  MapBuffer maps(DType::f32, 4, 4);
  Array<double> sums(4);
  Array<double> constant(4);
  MapShape shape{DType::f32, 1, 4, 4, 4};
  const Array<char> workspace(redundancy_workspace(shape));
  EXPECT_TRUE(refused(redundancy(sums.data(), constant.data(), maps.data(), shape, workspace.data(),
                                 workspace.bytes() - 1, nullptr),
                      "workspace has"));
  EXPECT_TRUE(refused(
      redundancy(nullptr, constant.data(), maps.data(), shape, workspace.data(), workspace.bytes(), nullptr),
      "redundancy_sum is null"));
  shape.ld = 3;
  EXPECT_TRUE(refused(redundancy(sums.data(), constant.data(), maps.data(), shape, workspace.data(),
                                 workspace.bytes(), nullptr),
                      "leading dimension"));
  EXPECT_TRUE(
      succeeded(redundancy(nullptr, nullptr, nullptr, {DType::f32, 0, 4, 4, 4}, nullptr, 0, nullptr)));
}

}  // namespace
}  // namespace secateur::kernels::test
