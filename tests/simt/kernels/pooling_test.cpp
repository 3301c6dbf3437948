#include "secateur/kernels/pooling.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

// What a window of an output position covers, in row-major order; -1 for padding.
std::vector<std::int64_t> window(const PoolShape& s, std::int64_t h, std::int64_t w) {
  std::vector<std::int64_t> positions;
  for (int r = 0; r < s.kernel_height; ++r) {
    for (int c = 0; c < s.kernel_width; ++c) {
      const std::int64_t y = h * s.stride_height - s.padding_height + r;
      const std::int64_t x = w * s.stride_width - s.padding_width + c;
      const bool inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
      positions.push_back(inside ? y * s.width + x : -1);
    }
  }
  return positions;
}

struct Expected {
  std::vector<double> y, dx;
};

// One loop for all kinds: the weights with which an output position takes its window's values.
enum class Kind { max, average, average_with_padding };
Expected expect_pool(Kind kind, const PoolShape& s, const std::vector<double>& x,
                     const std::vector<double>& dy) {
  Expected e;
  e.dx.assign(x.size(), 0.0);
  std::size_t out = 0;
  for (std::int64_t n = 0; n < s.images; ++n) {
    for (std::int64_t h = 0; h < s.out_height(); ++h) {
      for (std::int64_t w = 0; w < s.out_width(); ++w) {
        const std::vector<std::int64_t> positions = window(s, h, w);
        for (std::int64_t c = 0; c < s.channels; ++c, ++out) {
          const auto at = [&](std::int64_t p) {
            return static_cast<std::size_t>((n * s.height * s.width + p) * s.channels + c);
          };
          std::int64_t best = -1;
          double sum = 0;
          double count = 0;
          for (const std::int64_t p : positions) {
            if (p < 0) continue;
            if (best < 0 || x[at(p)] > x[at(best)] || (std::isnan(x[at(p)]) && !std::isnan(x[at(best)])))
              best = p;
            sum += x[at(p)];
            count += 1;
          }
          if (kind == Kind::average_with_padding) count = s.kernel_height * s.kernel_width;
          e.y.push_back(kind == Kind::max ? x[at(best)] : sum / count);
          if (kind == Kind::max) e.dx[at(best)] += dy[out];
          for (const std::int64_t p : positions) {
            if (kind != Kind::max && p >= 0) e.dx[at(p)] += dy[out] / count;
          }
        }
      }
    }
  }
  return e;
}

void check(PoolShape s, const Layout& layout) {
  SCOPED_TRACE(describe(s.type, layout) + ", kernel " + std::to_string(s.kernel_height) + " x " +
               std::to_string(s.kernel_width) + ", C " + std::to_string(s.channels));
  s.ld = s.channels + layout.extra_ld;
  s.out_ld = s.channels + layout.extra_ld + (layout.extra_ld > 0 ? 16 : 0);
  Random random;
  const std::int64_t rows = s.images * s.height * s.width;
  const std::int64_t out_rows = s.images * s.out_height() * s.out_width();
  MapBuffer x(s.type, rows, s.channels, s.ld, layout.placement);
  MapBuffer dy(s.type, out_rows, s.channels, s.out_ld, layout.placement);
  // Coarse values: ties must go to the first.
  std::vector<double> values;
  for (std::int64_t i = 0; i < rows * s.channels; ++i) values.push_back(std::round(2 * random.normal()));
  x.fill(values);
  dy.fill(random.normals(out_rows * s.channels));
  for (const Kind kind : {Kind::max, Kind::average, Kind::average_with_padding}) {
    MapBuffer y(s.type, out_rows, s.channels, s.out_ld, layout.placement);
    MapBuffer dx(s.type, rows, s.channels, s.ld, layout.placement);
    const Array<std::uint8_t> choice(out_rows * s.channels);
    const bool padded = kind == Kind::average_with_padding;
    if (kind == Kind::max) {
      ASSERT_TRUE(succeeded(max_pool(y.data(), choice.data(), x.data(), s, nullptr)));
      ASSERT_TRUE(succeeded(max_pool_backward(dx.data(), dy.data(), choice.data(), s, nullptr)));
    } else {
      ASSERT_TRUE(succeeded(average_pool(y.data(), x.data(), padded, s, nullptr)));
      ASSERT_TRUE(succeeded(average_pool_backward(dx.data(), dy.data(), padded, s, nullptr)));
    }
    const Expected expected = expect_pool(kind, s, x.values(), dy.values());
    EXPECT_LE(relative_error(y.values(), expected.y), storage_tolerance(s.type));
    EXPECT_LE(relative_error(dx.values(), expected.dx), storage_tolerance(s.type));
    EXPECT_TRUE(y.padding_untouched() && dx.padding_untouched());
  }
}

PoolShape pool(DType type, std::int64_t height, std::int64_t width, std::int64_t channels, int kernel,
               int stride, int padding) {
  return {type, 2, height, width, channels, 0, 0, kernel, kernel, stride, stride, padding, padding};
}

TEST(Pooling, WindowsMatchTheirDefinitionInEveryLayout) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) {
      check(pool(type, 8, 6, 16, 2, 2, 0), layout);
      check(pool(type, 7, 9, 11, 3, 2, 1), layout);
    }
  }
}

TEST(Pooling, OtherWindows) {
  check(pool(DType::f32, 5, 5, 3, 3, 1, 1), {});
  check(pool(DType::f32, 4, 4, 1, 4, 4, 0), {});
  check(pool(DType::f32, 7, 7, 2, 2, 3, 0), {});  // positions that no window covers
  check(pool(DType::f32, 1, 1, 4, 1, 1, 0), {});
  PoolShape uneven = pool(DType::f16, 9, 6, 24, 3, 2, 1);
  uneven.kernel_width = 2;
  uneven.stride_width = 1;
  uneven.padding_width = 0;
  check(uneven, {});
}

TEST(Pooling, NotANumberWinsAndMinusInfinityIsAValue) {
  const PoolShape s = [] {
    PoolShape shape = pool(DType::f32, 2, 2, 1, 2, 2, 0);
    shape.ld = shape.out_ld = 1;
    return shape;
  }();
  MapBuffer x(DType::f32, 8, 1);
  x.fill({1, NAN, 5, NAN, -INFINITY, -INFINITY, -INFINITY, -INFINITY});
  MapBuffer y(DType::f32, 2, 1);
  const Array<std::uint8_t> choice(2);
  ASSERT_TRUE(succeeded(max_pool(y.data(), choice.data(), x.data(), s, nullptr)));
  EXPECT_TRUE(std::isnan(y.values()[0]));
  EXPECT_EQ(y.values()[1], -INFINITY);
  EXPECT_EQ(choice.values(), (std::vector<std::uint8_t>{1, 0}));
  ASSERT_TRUE(succeeded(max_pool(y.data(), nullptr, x.data(), s, nullptr)));
}

TEST(GlobalAveragePool, MatchesItsDefinition) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) {
      for (const std::int64_t positions : {1, 6, 150}) {
        constexpr std::int64_t kImages = 3;
        const std::int64_t channels = positions == 6 ? 11 : 16;
        SCOPED_TRACE(describe(type, layout));
        Random random;
        const std::int64_t ld = channels + layout.extra_ld;
        MapBuffer x(type, kImages * positions, channels, ld, layout.placement);
        MapBuffer dx(type, kImages * positions, channels, ld, layout.placement);
        MapBuffer y(type, kImages, channels, ld, layout.placement);
        MapBuffer dy(type, kImages, channels, ld, layout.placement);
        x.fill(random.normals(kImages * positions * channels, 1.0));
        dy.fill(random.normals(kImages * channels));
        ASSERT_TRUE(succeeded(
            global_average_pool(y.data(), x.data(), type, kImages, positions, channels, ld, ld, nullptr)));
        ASSERT_TRUE(succeeded(global_average_pool_backward(dx.data(), dy.data(), type, kImages, positions,
                                                           channels, ld, ld, nullptr)));
        std::vector<double> means(static_cast<std::size_t>(kImages * channels));
        std::vector<double> gradients;
        const std::vector<double> values = x.values();
        const std::vector<double> outer = dy.values();
        for (std::int64_t i = 0; i < kImages * positions * channels; ++i) {
          const auto slot = static_cast<std::size_t>(i / (positions * channels) * channels + i % channels);
          means[slot] += values[static_cast<std::size_t>(i)] / static_cast<double>(positions);
          gradients.push_back(outer[slot] / static_cast<double>(positions));
        }
        EXPECT_LE(relative_error(y.values(), means), storage_tolerance(type));
        EXPECT_LE(relative_error(dx.values(), gradients), storage_tolerance(type));
        EXPECT_TRUE(y.padding_untouched() && dx.padding_untouched());
      }
    }
  }
}

TEST(Pooling, RefusesWhatBreaksTheContract) {
  MapBuffer x(DType::f32, 32, 4);
  PoolShape s = pool(DType::f32, 4, 4, 4, 2, 2, 0);
  s.ld = s.out_ld = 4;
  const auto call = [&] { return max_pool(x.data(), nullptr, x.data(), s, nullptr); };
  s.padding_height = 2;
  EXPECT_TRUE(refused(call(), "padding is more than half"));
  s.padding_height = 0;
  s.kernel_height = 5;
  EXPECT_TRUE(refused(call(), "larger than the padded map"));
  s.kernel_height = 2;
  s.stride_width = 0;
  EXPECT_TRUE(refused(call(), "stride_width must be positive"));
  s.stride_width = 2;
  s.out_ld = 3;
  EXPECT_TRUE(refused(call(), "leading dimension 3"));
  s.out_ld = 4;
  EXPECT_TRUE(refused(max_pool_backward(x.data(), x.data(), nullptr, s, nullptr), "choice is null"));
  s.images = 0;
  EXPECT_TRUE(succeeded(max_pool(nullptr, nullptr, nullptr, s, nullptr)));
  s = pool(DType::f32, 20, 20, 1, 16, 1, 0);
  s.images = 1;
  s.ld = s.out_ld = 1;
  MapBuffer large(DType::f32, 400, 1);
  EXPECT_TRUE(refused(max_pool(x.data(), nullptr, large.data(), s, nullptr), "more than 255 positions"));
  EXPECT_TRUE(refused(global_average_pool(x.data(), x.data(), DType::f32, 1, 0, 4, 4, 4, nullptr),
                      "positions must be positive"));
}

}  // namespace
}  // namespace secateur::kernels::test
