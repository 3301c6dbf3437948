// Batch norm over a batch that lies in parts, each with buffers of its own, against the equations over the
// whole batch in float64.
#include "kernel_test.h"
#include "secateur/kernels/batch_norm_act.h"

namespace secateur::kernels::test {
namespace {

constexpr double kEpsilon = 1e-3;
constexpr std::int64_t kChannels = 11;

// One device's part.
struct Part {
  Part(DType type, std::int64_t part_rows, const Layout& layout, Random& random, double mean)
      : shape{type, part_rows, kChannels, kChannels + layout.extra_ld, 0},
        x(buffer(layout)),
        residual(buffer(layout)),
        y(buffer(layout)),
        dy(buffer(layout)),
        dx(buffer(layout)),
        dresidual(buffer(layout)),
        workspace(batch_norm_workspace(shape)) {
    x.fill(random.normals(part_rows * kChannels, mean, 1.5));
    residual.fill(random.normals(part_rows * kChannels));
    dy.fill(random.normals(part_rows * kChannels));
  }
  [[nodiscard]] MapBuffer buffer(const Layout& layout) const {
    return {shape.type, shape.rows, kChannels, shape.ld, layout.placement};
  }
  BatchNormShape shape;
  MapBuffer x, residual, y, dy, dx, dresidual;
  Array<char> workspace;
  Array<float> saved_mean{kChannels}, saved_inverse{kChannels}, dscale{kChannels}, dshift{kChannels};
  Array<float> running_mean{std::vector<float>(kChannels, 0.25F)};
  Array<float> running_variance{std::vector<float>(kChannels, 0.5F)};
};

std::vector<double> joined(const std::vector<Part>& parts, MapBuffer Part::*map) {
  std::vector<double> all;
  for (const Part& part : parts) {
    const std::vector<double> values = (part.*map).values();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void check_parts(DType type, const Layout& layout, const std::vector<std::int64_t>& rows) {
  SCOPED_TRACE(describe(type, layout));
  Random random;
  const Array<float> scale(kChannels);
  const Array<float> shift(kChannels);
  for (std::int64_t k = 0; k < kChannels; ++k) {
    scale.data()[k] = static_cast<float>(random.uniform(-2, 2));
    shift.data()[k] = static_cast<float>(random.uniform(-1, 1));
  }
  const BatchNormParameters parameters{scale.data(), shift.data(), static_cast<float>(kEpsilon)};
  std::vector<Part> parts;
  std::int64_t total = 0;
  for (const std::int64_t part_rows : rows) {
    // Parts whose means lie apart: a mean of variances would be seen.
    parts.emplace_back(type, part_rows, layout, random, 2.0 * static_cast<double>(parts.size()));
    total += part_rows;
  }

  const auto count = static_cast<std::int64_t>(parts.size());
  const Array<float> moments(count * kChannels * 3);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    Part& part = parts[p];
    ASSERT_TRUE(succeeded(batch_norm_moments(moments.data() + p * kChannels * 3, part.x.data(), part.shape,
                                             part.workspace.data(), part.workspace.bytes(), nullptr)));
  }
  for (Part& part : parts) {
    ASSERT_TRUE(succeeded(batch_norm_act_merged(
        part.y.data(), part.saved_mean.data(), part.saved_inverse.data(),
        {part.running_mean.data(), part.running_variance.data(), 0.2F}, moments.data(), count, part.x.data(),
        part.residual.data(), parameters, true, part.shape, nullptr)));
    EXPECT_TRUE(part.y.padding_untouched());
  }
  std::vector<float> sums(2 * kChannels, 0.0F);
  for (Part& part : parts) {
    const Array<float> own(2 * kChannels);
    ASSERT_TRUE(succeeded(batch_norm_act_backward_sums(
        own.data(), part.dscale.data(), part.dshift.data(), part.dy.data(), part.x.data(), part.y.data(),
        parameters, part.saved_mean.data(), part.saved_inverse.data(), true, part.shape,
        part.workspace.data(), part.workspace.bytes(), nullptr)));
    for (std::size_t k = 0; k < kChannels; ++k) {
      EXPECT_EQ(own.values()[k], part.dshift.values()[k]);
      EXPECT_EQ(own.values()[kChannels + k], part.dscale.values()[k]);
      sums[k] += own.values()[k];
      sums[kChannels + k] += own.values()[kChannels + k];
    }
  }
  const Array<float> all_sums(sums);
  for (Part& part : parts) {
    ASSERT_TRUE(succeeded(batch_norm_act_backward_apply(
        part.dx.data(), part.dresidual.data(), {all_sums.data(), all_sums.data() + kChannels}, total,
        part.dy.data(), part.x.data(), part.y.data(), parameters, part.saved_mean.data(),
        part.saved_inverse.data(), true, part.shape, nullptr)));
    EXPECT_TRUE(part.dx.padding_untouched());
  }

  const std::vector<double> x = joined(parts, &Part::x);
  const std::vector<double> residual = joined(parts, &Part::residual);
  const std::vector<double> stored_y = joined(parts, &Part::y);
  const std::vector<double> dy = joined(parts, &Part::dy);
  std::vector<double> y(x.size());
  std::vector<double> dx(x.size());
  std::vector<double> dresidual(x.size());
  const auto m = static_cast<double>(total);
  for (std::size_t k = 0; k < kChannels; ++k) {
    double mean = 0;
    double variance = 0;
    for (std::size_t i = k; i < x.size(); i += kChannels) mean += x[i] / m;
    for (std::size_t i = k; i < x.size(); i += kChannels) variance += (x[i] - mean) * (x[i] - mean) / m;
    const double inverse = 1 / std::sqrt(variance + kEpsilon);
    double dshift = 0;
    double dscale = 0;
    for (std::size_t i = k; i < x.size(); i += kChannels) {
      const double xhat = (x[i] - mean) * inverse;
      y[i] = std::max(xhat * scale.data()[k] + shift.data()[k] + residual[i], 0.0);
      dresidual[i] = stored_y[i] > 0 ? dy[i] : 0.0;
      dshift += dresidual[i];
      dscale += dresidual[i] * xhat;
    }
    for (std::size_t i = k; i < x.size(); i += kChannels) {
      const double xhat = (x[i] - mean) * inverse;
      dx[i] = scale.data()[k] * inverse * (dresidual[i] - (dshift + xhat * dscale) / m);
    }
    for (const Part& part : parts) {
      EXPECT_NEAR(part.saved_mean.data()[k], mean, 1e-5);
      EXPECT_NEAR(part.running_mean.data()[k], 0.8 * 0.25 + 0.2 * mean, 1e-5);
      EXPECT_NEAR(part.running_variance.data()[k], 0.8 * 0.5 + 0.2 * variance * m / (m - 1), 1e-5);
      // Every device has the same bits.
      EXPECT_EQ(part.saved_inverse.data()[k], parts.front().saved_inverse.data()[k]);
    }
  }
  const double tolerance = 2 * storage_tolerance(type);
  EXPECT_LE(relative_error(stored_y, y), tolerance);
  EXPECT_LE(relative_error(joined(parts, &Part::dx), dx), tolerance);
  EXPECT_LE(relative_error(joined(parts, &Part::dresidual), dresidual), tolerance);
}

TEST(BatchNormParts, AreNormalisedAsOneBatch) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) check_parts(type, layout, {37, 24});
  }
  check_parts(DType::f32, {}, {1, 50, 3});
}

TEST(BatchNormParts, APartWithoutValuesCountsForNothing) {
  const Array<float> moments(std::vector<float>{4, 1, 8, 0, 0, 0});  // two parts of one channel
  const Array<float> x(std::vector<float>{0, 0, 2, 2});
  const Array<float> y(4);
  const Array<float> mean(1);
  const Array<float> inverse(1);
  ASSERT_TRUE(succeeded(batch_norm_act_merged(y.data(), mean.data(), inverse.data(), {}, moments.data(), 2,
                                              x.data(), nullptr, {nullptr, nullptr, 0.0F}, false,
                                              {DType::f32, 4, 1, 1, 0}, nullptr)));
  EXPECT_EQ(mean.data()[0], 1.0F);
  EXPECT_FLOAT_EQ(inverse.data()[0], std::sqrt(0.5F));
}

TEST(BatchNormParts, RefuseWhatBreaksTheContract) {
  const Array<float> map(8);
  const Array<float> channel(4);
  const BatchNormShape shape{DType::f32, 2, 4, 4, 0};
  EXPECT_TRUE(
      refused(batch_norm_moments(nullptr, map.data(), shape, map.data(), 1 << 20, nullptr), "moments"));
  EXPECT_TRUE(refused(batch_norm_act_merged(map.data(), channel.data(), channel.data(), {}, map.data(), 0,
                                            map.data(), nullptr, {}, false, shape, nullptr),
                      "parts"));
  EXPECT_TRUE(refused(batch_norm_act_backward_apply(map.data(), nullptr, {channel.data(), channel.data()}, 1,
                                                    map.data(), map.data(), nullptr, {}, channel.data(),
                                                    channel.data(), false, shape, nullptr),
                      "total_rows is 1"));
  EXPECT_TRUE(refused(
      batch_norm_act_backward_apply(map.data(), nullptr, {channel.data(), nullptr}, 2, map.data(), map.data(),
                                    nullptr, {}, channel.data(), channel.data(), false, shape, nullptr),
      "both be given"));
}

}  // namespace
}  // namespace secateur::kernels::test
