#include "secateur/kernels/elementwise.h"

#include <limits>

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

struct Case {
  const char* name;
  // Runs the kernel; what an element becomes, from a, b, the former output and the channel.
  std::function<Status(void* out, const void* a, const void* b, const float* factors,
                       const ElementwiseShape&)>
      run;
  std::function<double(double a, double b, double before, double factor)> expected;
};

const std::vector<Case> kCases = {
    {"add",
     [](void* out, const void* a, const void* b, const float*, const ElementwiseShape& s) {
       return add(out, a, b, false, s, nullptr);
     },
     [](double a, double b, double, double) { return a + b; }},
    {"add and relu",
     [](void* out, const void* a, const void* b, const float*, const ElementwiseShape& s) {
       return add(out, a, b, true, s, nullptr);
     },
     [](double a, double b, double, double) { return std::max(a + b, 0.0); }},
    {"accumulate",
     [](void* out, const void* a, const void*, const float*, const ElementwiseShape& s) {
       return accumulate(out, a, s, nullptr);
     },
     [](double a, double, double before, double) { return before + a; }},
    {"relu",
     [](void* out, const void* a, const void*, const float*, const ElementwiseShape& s) {
       return relu(out, a, s, nullptr);
     },
     [](double a, double, double, double) { return std::max(a, 0.0); }},
    {"relu backward",
     [](void* out, const void* a, const void* b, const float*, const ElementwiseShape& s) {
       return relu_backward(out, a, b, s, nullptr);
     },
     [](double a, double b, double, double) { return b > 0 ? a : 0.0; }},
    {"scale",
     [](void* out, const void* a, const void*, const float*, const ElementwiseShape& s) {
       return scale(out, a, -1.75F, s, nullptr);
     },
     [](double a, double, double, double) { return -1.75 * a; }},
    {"scale channels",
     [](void* out, const void* a, const void*, const float* factors, const ElementwiseShape& s) {
       return scale_channels(out, a, factors, s, nullptr);
     },
     [](double a, double, double, double factor) { return a * factor; }},
    {"shift channels",
     [](void* out, const void* a, const void*, const float* offsets, const ElementwiseShape& s) {
       return shift_channels(out, a, offsets, s, nullptr);
     },
     [](double a, double, double, double offset) { return a + offset; }},
    {"fill",
     [](void* out, const void*, const void*, const float*, const ElementwiseShape& s) {
       return fill(out, 2.5F, s, nullptr);
     },
     [](double, double, double, double) { return 2.5; }},
};

TEST(Elementwise, EveryOperationInEveryLayout) {
  for (const Case& c : kCases) {
    for (const DType type : kAllTypes) {
      for (const Layout& layout : all_layouts()) {
        for (const auto& [rows, channels] : {std::pair{17, 24}, std::pair{9, 11}, std::pair{1, 4099}}) {
          SCOPED_TRACE(std::string(c.name) + ", " + describe(type, layout) + ", C " +
                       std::to_string(channels));
          Random random;
          const std::int64_t ld = channels + layout.extra_ld;
          MapBuffer a(type, rows, channels, ld, layout.placement);
          MapBuffer b(type, rows, channels, ld, layout.placement);
          MapBuffer out(type, rows, channels, ld, layout.placement);
          const Array<float> factors(channels);
          a.fill(random.normals(rows * channels));
          b.fill(random.normals(rows * channels));
          out.fill(random.normals(rows * channels));
          for (std::int64_t k = 0; k < channels; ++k) factors.data()[k] = static_cast<float>(random.normal());
          const std::vector<double> va = a.values();
          const std::vector<double> vb = b.values();
          std::vector<double> expected = out.values();
          for (std::size_t i = 0; i < expected.size(); ++i) {
            expected[i] = c.expected(va[i], vb[i], expected[i],
                                     factors.data()[static_cast<std::int64_t>(i) % channels]);
          }
          ASSERT_TRUE(
              succeeded(c.run(out.data(), a.data(), b.data(), factors.data(), {type, rows, channels, ld})));
          EXPECT_LE(relative_error(out.values(), expected), storage_tolerance(type));
          EXPECT_TRUE(out.padding_untouched());
        }
      }
    }
  }
}

TEST(Elementwise, ReluPassesNotANumber) {
  MapBuffer x(DType::f32, 1, 4);
  x.fill({NAN, -0.0, INFINITY, -INFINITY});
  MapBuffer y(DType::f32, 1, 4);
  ASSERT_TRUE(succeeded(relu(y.data(), x.data(), {DType::f32, 1, 4, 4}, nullptr)));
  EXPECT_TRUE(std::isnan(y.values()[0]));
  EXPECT_EQ(y.values()[1], 0.0);
  EXPECT_EQ(y.values()[2], INFINITY);
  EXPECT_EQ(y.values()[3], 0.0);
}

TEST(Cast, BetweenAllTypesAndLeadingDimensions) {
  for (const DType from : kAllTypes) {
    for (const DType to : kAllTypes) {
      for (const Layout& layout : all_layouts()) {
        for (const std::int64_t channels : {16, 11}) {
          SCOPED_TRACE(describe(from, layout) + " to " + name_of(to) + ", C " + std::to_string(channels));
          Random random;
          const std::int64_t out_ld = 24;
          MapBuffer x(from, 11, channels, channels + layout.extra_ld, layout.placement);
          // The zeroed lanes count as the buffer's own.
          MapBuffer out(to, 11, channels + 3, out_ld, layout.placement);
          x.fill(random.normals(11 * channels));
          ASSERT_TRUE(succeeded(
              cast(out.data(), x.data(), {to, from, 11, channels, out_ld, x.ld(), channels + 3}, nullptr)));
          std::vector<double> expected;
          const std::vector<double> values = x.values();
          for (std::int64_t row = 0; row < 11; ++row) {
            for (std::int64_t k = 0; k < channels + 3; ++k) {
              expected.push_back(k < channels ? values[static_cast<std::size_t>(row * channels + k)] : 0.0);
            }
          }
          MapBuffer rounded(to, 11, channels + 3, out_ld);
          EXPECT_EQ(out.values(), rounded.fill(expected).values());
          EXPECT_TRUE(out.padding_untouched());
        }
      }
    }
  }
}

// How a convolution's masters [K, R, S, C] become padded 16-bit filters [K8, R, S, C8], and how their
// gradient comes back.
TEST(Cast, PadsFiltersAndTakesThePaddingBack) {
  constexpr std::int64_t kFilters = 3;
  constexpr std::int64_t kWindow = 9;
  for (const DType type : {DType::f16, DType::bf16}) {
    for (const std::int64_t channels : {1, 7, 35}) {
      const std::int64_t stored = (channels + 7) / 8 * 8;
      Random random;
      MapBuffer masters(DType::f32, kFilters * kWindow, channels);
      masters.fill(random.normals(kFilters * kWindow * channels));
      MapBuffer filters(type, 8 * kWindow, stored);
      filters.fill(std::vector<double>(static_cast<std::size_t>(8 * kWindow * stored), NAN));
      ASSERT_TRUE(succeeded(cast(filters.data(), masters.data(),
                                 {type, DType::f32, kFilters * kWindow, channels, stored, channels, stored},
                                 nullptr)));
      const std::int64_t tail = (8 - kFilters) * kWindow * stored;
      auto* rest = static_cast<std::uint16_t*>(filters.data()) + kFilters * kWindow * stored;
      ASSERT_TRUE(succeeded(fill(rest, 0, {type, 1, tail, tail}, nullptr)));
      const std::vector<double> padded = filters.values();
      MapBuffer rounded(type, kFilters * kWindow, channels);
      rounded.fill(masters.values());
      const std::vector<double> expected = rounded.values();
      for (std::int64_t row = 0; row < 8 * kWindow; ++row) {
        for (std::int64_t c = 0; c < stored; ++c) {
          const bool real = row < kFilters * kWindow && c < channels;
          ASSERT_EQ(padded[static_cast<std::size_t>(row * stored + c)],
                    real ? expected[static_cast<std::size_t>(row * channels + c)] : 0.0);
        }
      }
      MapBuffer back(DType::f32, kFilters * kWindow, channels);
      ASSERT_TRUE(
          succeeded(cast(back.data(), filters.data(),
                         {DType::f32, type, kFilters * kWindow, channels, channels, stored, 0}, nullptr)));
      EXPECT_EQ(back.values(), expected);
    }
  }
}

TEST(FindNonfinite, SeesOneBadValueAnywhere) {
  for (const DType type : kAllTypes) {
    for (const auto& size : {std::pair{1, 300}, std::pair{21, 19}}) {
      const int rows = size.first;
      const int channels = size.second;
      Random random;
      MapBuffer x(type, rows, channels, channels + 5);
      std::vector<double> values = random.normals(rows * channels);
      values[3] = type == DType::f16 ? 65504 : std::numeric_limits<float>::max() / 2;
      const Array<std::int32_t> flag(std::vector<std::int32_t>{0});
      const auto find = [&] {
        *flag.data() = 0;
        x.fill(values);
        EXPECT_TRUE(
            succeeded(find_nonfinite(flag.data(), x.data(), {type, rows, channels, x.ld()}, nullptr)));
        return *flag.data();
      };
      EXPECT_EQ(find(), 0);
      for (const double bad : {std::nan(""), -std::numeric_limits<double>::infinity()}) {
        for (const std::int64_t place :
             {std::int64_t{0}, std::int64_t{rows} * channels - 1, random.below(rows * channels)}) {
          const double before = values[static_cast<std::size_t>(place)];
          values[static_cast<std::size_t>(place)] = bad;
          EXPECT_EQ(find(), 1) << "place " << place;
          values[static_cast<std::size_t>(place)] = before;
        }
      }
    }
  }
}

TEST(Elementwise, RefusesWhatBreaksTheContract) {
  MapBuffer x(DType::f32, 4, 4);
  const ElementwiseShape good{DType::f32, 4, 4, 4};
  EXPECT_TRUE(refused(add(x.data(), x.data(), nullptr, false, good, nullptr), "map is null"));
  EXPECT_TRUE(refused(relu(x.data(), x.data(), {DType::f32, 4, 4, 3}, nullptr), "leading dimension 3"));
  EXPECT_TRUE(
      refused(relu(x.data(), x.data(), {DType::f32, -4, 4, 4}, nullptr), "rows must not be negative"));
  EXPECT_TRUE(refused(fill(x.data(), 0, {DType::f32, 1L << 40, 4, 1L << 40}, nullptr), "overflow"));
  EXPECT_TRUE(refused(scale_channels(x.data(), x.data(), nullptr, good, nullptr), "factors is null"));
  EXPECT_TRUE(refused(shift_channels(x.data(), x.data(), nullptr, good, nullptr), "offsets is null"));
  EXPECT_TRUE(refused(find_nonfinite(nullptr, x.data(), good, nullptr), "flag is null"));
  EXPECT_TRUE(refused(cast(x.data(), x.data(), {DType::f16, DType::f32, 4, 4, 4, 4, 0}, nullptr),
                      "out must not be x"));
  EXPECT_TRUE(succeeded(fill(nullptr, 0, {DType::f32, 0, 4, 4}, nullptr)));
  EXPECT_TRUE(succeeded(cast(nullptr, nullptr, {DType::f16, DType::f32, 0, 4, 4, 4, 0}, nullptr)));
}

}  // namespace
}  // namespace secateur::kernels::test
