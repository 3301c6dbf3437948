#include "secateur/kernels/map_channels.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

constexpr std::int64_t kRows = 37;
constexpr std::int64_t kIn = 11;
const std::vector<std::int32_t> kTable = {4, -1, 0, 10, 4, 4, -1, 2, 9};  // with repeats and zeros

double value(const std::vector<double>& map, std::int64_t row, std::int64_t channels, std::int64_t channel) {
  return map[static_cast<std::size_t>(row * channels + channel)];
}

TEST(MapChannels, GatherAndItsGradientInEveryLayout) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) {
      SCOPED_TRACE(describe(type, layout));
      Random random;
      const auto outs = static_cast<std::int64_t>(kTable.size());
      MapBuffer x(type, kRows, kIn, kIn + layout.extra_ld, layout.placement);
      MapBuffer y(type, kRows, outs, outs + layout.extra_ld, layout.placement);
      MapBuffer dy(type, kRows, outs, outs + layout.extra_ld, layout.placement);
      MapBuffer dx(type, kRows, kIn, kIn + layout.extra_ld, layout.placement);
      x.fill(random.normals(kRows * kIn));
      dy.fill(random.normals(kRows * outs));
      const Array<std::int32_t> table(kTable);
      ASSERT_TRUE(succeeded(
          gather_channels(y.data(), x.data(), table.data(), {type, kRows, outs, y.ld(), x.ld()}, nullptr)));
      // The table turned round.
      std::vector<std::int32_t> first = {0};
      std::vector<std::int32_t> sources;
      for (std::int32_t c = 0; c < kIn; ++c) {
        for (std::size_t j = 0; j < kTable.size(); ++j) {
          if (kTable[j] == c) sources.push_back(static_cast<std::int32_t>(j));
        }
        first.push_back(static_cast<std::int32_t>(sources.size()));
      }
      const Array<std::int32_t> device_first(first);
      const Array<std::int32_t> device_sources(sources);
      ASSERT_TRUE(succeeded(sum_channels(dx.data(), dy.data(), device_first.data(), device_sources.data(),
                                         {type, kRows, kIn, dx.ld(), dy.ld()}, nullptr)));
      const std::vector<double> in = x.values();
      const std::vector<double> outer = dy.values();
      std::vector<double> expected;
      std::vector<double> gradient(static_cast<std::size_t>(kRows * kIn));
      for (std::int64_t r = 0; r < kRows; ++r) {
        for (std::int64_t j = 0; j < outs; ++j) {
          const std::int32_t source = kTable[static_cast<std::size_t>(j)];
          expected.push_back(source < 0 ? 0.0 : value(in, r, kIn, source));
          if (source >= 0) gradient[static_cast<std::size_t>(r * kIn + source)] += value(outer, r, outs, j);
        }
      }
      EXPECT_EQ(y.values(), expected);
      EXPECT_LE(relative_error(dx.values(), gradient), storage_tolerance(type));
      EXPECT_TRUE(y.padding_untouched() && dx.padding_untouched());
    }
  }
}

TEST(MapChannels, ScatterAddsAndLeavesTheOthers) {
  for (const DType type : kAllTypes) {
    Random random;
    const std::vector<std::int32_t> targets = {7, 0, 3};
    const Array<std::int32_t> table(targets);
    MapBuffer out(type, kRows, kIn, kIn + 2);
    MapBuffer x(type, kRows, 3, 4);
    out.fill(random.normals(kRows * kIn));
    x.fill(random.normals(kRows * 3));
    std::vector<double> expected = out.values();
    const std::vector<double> added = x.values();
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t j = 0; j < 3; ++j) {
        expected[static_cast<std::size_t>(r * kIn + targets[static_cast<std::size_t>(j)])] +=
            value(added, r, 3, j);
      }
    }
    ASSERT_TRUE(succeeded(scatter_add_channels(out.data(), x.data(), table.data(), 3,
                                               {type, kRows, kIn, out.ld(), x.ld()}, nullptr)));
    EXPECT_LE(relative_error(out.values(), expected), storage_tolerance(type));
    EXPECT_TRUE(out.padding_untouched());
  }
}

TEST(MapChannels, RefusesWhatBreaksTheContract) {
  MapBuffer x(DType::f32, 4, 4);
  MapBuffer out(DType::f32, 4, 4);
  const Array<std::int32_t> table(5);
  EXPECT_TRUE(refused(gather_channels(out.data(), x.data(), nullptr, {DType::f32, 4, 4, 4, 4}, nullptr),
                      "table is null"));
  EXPECT_TRUE(refused(gather_channels(out.data(), x.data(), table.data(), {DType::f32, 4, 4, 3, 4}, nullptr),
                      "leading dimension 3"));
  EXPECT_TRUE(refused(gather_channels(nullptr, x.data(), table.data(), {DType::f32, 4, 4, 4, 4}, nullptr),
                      "out is null"));
  EXPECT_TRUE(
      refused(scatter_add_channels(out.data(), x.data(), table.data(), 5, {DType::f32, 4, 4, 4, 5}, nullptr),
              "more sources than channels"));
  EXPECT_TRUE(succeeded(sum_channels(nullptr, nullptr, nullptr, nullptr, {DType::f32, 0, 4, 4, 4}, nullptr)));
}

}  // namespace
}  // namespace secateur::kernels::test
