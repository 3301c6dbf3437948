#include "secateur/kernels/channel_moments.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

struct Expected {
  std::vector<double> mean, centred_squares, smallest, largest;
};

Expected expect_moments(const std::vector<double>& x, std::int64_t images, std::int64_t positions,
                        std::int64_t channels) {
  Expected e;
  for (std::int64_t n = 0; n < images; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      double smallest = INFINITY;
      double largest = -INFINITY;
      const auto at = [&](std::int64_t t) {
        return x[static_cast<std::size_t>((n * positions + t) * channels + c)];
      };
      for (std::int64_t t = 0; t < positions; ++t) {
        sum += at(t);
        smallest = std::min(smallest, at(t));
        largest = std::max(largest, at(t));
      }
      const double mean = sum / static_cast<double>(positions);
      double squares = 0;
      for (std::int64_t t = 0; t < positions; ++t) squares += (at(t) - mean) * (at(t) - mean);
      e.mean.push_back(mean);
      e.centred_squares.push_back(squares);
      e.smallest.push_back(smallest);
      e.largest.push_back(largest);
    }
  }
  return e;
}

struct Outputs {
  explicit Outputs(std::int64_t count)
      : mean(count), centred_squares(count), smallest(count), largest(count) {}
  [[nodiscard]] ChannelMoments pointers() const {
    return {mean.data(), centred_squares.data(), smallest.data(), largest.data()};
  }
  Array<float> mean, centred_squares, smallest, largest;
};

void check(DType type, const Layout& layout, std::int64_t images, std::int64_t positions,
           std::int64_t channels, double mean, double deviation) {
  SCOPED_TRACE(describe(type, layout) + ", T " + std::to_string(positions) + ", C " +
               std::to_string(channels));
  Random random;
  MapBuffer maps(type, images * positions, channels, channels + layout.extra_ld, layout.placement);
  maps.fill(random.normals(images * positions * channels, mean, deviation));
  Outputs out(images * channels);
  ASSERT_TRUE(succeeded(
      channel_moments(out.pointers(), maps.data(), {type, images, positions, channels, maps.ld()}, nullptr)));
  const Expected expected = expect_moments(maps.values(), images, positions, channels);
  // A mean is as exact as the values it is taken from, which may be much larger.
  for (std::size_t i = 0; i < expected.mean.size(); ++i) {
    const double size =
        std::abs(expected.mean[i]) + std::sqrt(expected.centred_squares[i] / static_cast<double>(positions));
    EXPECT_NEAR(out.mean.doubles()[i], expected.mean[i], 5e-7 * size);
  }
  EXPECT_LE(relative_error(out.centred_squares.doubles(), expected.centred_squares), 2e-6);
  EXPECT_EQ(out.smallest.doubles(), expected.smallest);
  EXPECT_EQ(out.largest.doubles(), expected.largest);
}

TEST(ChannelMoments, MatchesFloat64InEveryLayout) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) {
      check(type, layout, 2, 49, 24, 0.5, 1.0);
      check(type, layout, 2, 9, 11, 0.5, 1.0);
      check(type, layout, 3, 2, 1, 0.5, 1.0);
    }
  }
}

TEST(ChannelMoments, WideAndLongMaps) {
  check(DType::f16, {}, 1, 3, 2056, 0.0, 1.0);  // past what one block holds side by side
  check(DType::f32, {}, 1, 1100, 4, 0.0, 1.0);
}

TEST(ChannelMoments, LargeMeanDoesNotCancel) { check(DType::f32, {}, 2, 300, 5, 10000.0, 0.05); }

TEST(ChannelMoments, OnePositionHasNoSpread) {
  MapBuffer maps(DType::f32, 2, 3);
  maps.fill({0.1, -0.3, 7, 1e30, -1e-30, 0});
  Outputs out(6);
  ASSERT_TRUE(succeeded(channel_moments(out.pointers(), maps.data(), {DType::f32, 2, 1, 3, 3}, nullptr)));
  EXPECT_EQ(out.mean.doubles(), maps.values());
  EXPECT_EQ(out.centred_squares.doubles(), std::vector<double>(6, 0.0));
}

TEST(ChannelMoments, NotANumberStaysInItsChannel) {
  MapBuffer maps(DType::bf16, 4, 3);
  maps.fill({1, NAN, 2, 3, 4, 5, 6, 7, INFINITY, 9, 10, 11});
  Outputs out(3);
  ASSERT_TRUE(succeeded(channel_moments(out.pointers(), maps.data(), {DType::bf16, 1, 4, 3, 3}, nullptr)));
  EXPECT_FLOAT_EQ(out.mean.values()[0], 4.75F);
  EXPECT_TRUE(std::isnan(out.mean.values()[1]) && std::isnan(out.centred_squares.values()[1]));
  EXPECT_EQ(out.smallest.values()[1], 4.0F);
  EXPECT_FALSE(std::isfinite(out.mean.values()[2]));
  EXPECT_TRUE(std::isnan(out.centred_squares.values()[2]));
}

TEST(ChannelMoments, RefusesWhatBreaksTheContract) {
  MapBuffer maps(DType::f32, 4, 4);
  const auto call = [&](const void* data, MapShape shape) {
    return channel_moments({}, data, shape, nullptr);
  };
  EXPECT_TRUE(refused(call(maps.data(), {DType::f32, -1, 4, 4, 4}), "images must not be negative"));
  EXPECT_TRUE(refused(call(maps.data(), {DType::f32, 1, 0, 4, 4}), "positions must be positive"));
  EXPECT_TRUE(
      refused(call(maps.data(), {DType::f32, 1, 4, 4, 3}), "leading dimension 3 is less than 4 channels"));
  EXPECT_TRUE(refused(call(nullptr, {DType::f32, 1, 4, 4, 4}), "maps is null"));
  EXPECT_TRUE(refused(call(maps.data(), {DType::f32, 1L << 40, 1L << 40, 4, 4}), "overflow"));
  EXPECT_TRUE(succeeded(call(nullptr, {DType::f32, 0, 4, 4, 4})));
  EXPECT_TRUE(succeeded(call(maps.data(), {DType::f32, 1, 4, 4, 4})));  // all outputs null: nothing is wanted
}

}  // namespace
}  // namespace secateur::kernels::test
