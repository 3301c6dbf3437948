#include "secateur/kernels/batch_norm_act.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

struct Case {
  DType type;
  Layout layout;
  std::int64_t rows;
  std::int64_t channels;
  bool residual;
  bool relu;
  double mean = 0.3;
  double deviation = 1.5;
};

std::size_t at(const Case& c, std::int64_t row, std::int64_t channel) {
  return static_cast<std::size_t>(row * c.channels + channel);
}

constexpr double kEpsilon = 1e-3;

struct Statistics {
  std::vector<double> mean, variance;  // biased
};

Statistics statistics_of(const Case& c, const std::vector<double>& x) {
  Statistics s;
  for (std::int64_t channel = 0; channel < c.channels; ++channel) {
    double mean = 0;
    for (std::int64_t r = 0; r < c.rows; ++r) mean += x[at(c, r, channel)] / static_cast<double>(c.rows);
    double variance = 0;
    for (std::int64_t r = 0; r < c.rows; ++r) {
      variance += (x[at(c, r, channel)] - mean) * (x[at(c, r, channel)] - mean) / static_cast<double>(c.rows);
    }
    s.mean.push_back(mean);
    s.variance.push_back(variance);
  }
  return s;
}

// All the memory of one case, random.
struct Buffers {
  explicit Buffers(const Case& c, Random& random)
      : shape{c.type, c.rows, c.channels, c.channels + c.layout.extra_ld, 0},
        x(buffer(c)),
        residual(buffer(c)),
        y(buffer(c)),
        dy(buffer(c)),
        dx(buffer(c)),
        dresidual(buffer(c)),
        scale(c.channels),
        shift(c.channels),
        saved_mean(c.channels),
        saved_inverse(c.channels),
        running_mean(c.channels),
        running_variance(c.channels),
        dscale(c.channels),
        dshift(c.channels),
        workspace(batch_norm_workspace(shape)) {
    const std::int64_t count = c.rows * c.channels;
    x.fill(random.normals(count, c.mean, c.deviation));
    residual.fill(random.normals(count));
    dy.fill(random.normals(count));
    for (std::int64_t i = 0; i < c.channels; ++i) {
      scale.data()[i] = static_cast<float>(random.uniform(-2, 2));
      shift.data()[i] = static_cast<float>(random.uniform(-1, 1));
      running_mean.data()[i] = static_cast<float>(random.normal());
      running_variance.data()[i] = static_cast<float>(random.uniform(0.1, 2));
    }
  }
  static MapBuffer buffer(const Case& c) {
    return {c.type, c.rows, c.channels, c.channels + c.layout.extra_ld, c.layout.placement};
  }
  [[nodiscard]] BatchNormParameters parameters() const {
    return {scale.data(), shift.data(), static_cast<float>(kEpsilon)};
  }
  BatchNormShape shape;
  MapBuffer x, residual, y, dy, dx, dresidual;
  Array<float> scale, shift, saved_mean, saved_inverse, running_mean, running_variance, dscale, dshift;
  Array<char> workspace;
};

std::vector<double> forward(const Case& c, const Buffers& s, const Statistics& statistics) {
  const std::vector<double> x = s.x.values();
  const std::vector<double> residual = s.residual.values();
  std::vector<double> y(x.size());
  for (std::int64_t r = 0; r < c.rows; ++r) {
    for (std::int64_t k = 0; k < c.channels; ++k) {
      const auto channel = static_cast<std::size_t>(k);
      double z = (x[at(c, r, k)] - statistics.mean[channel]) /
                     std::sqrt(statistics.variance[channel] + kEpsilon) * s.scale.data()[k] +
                 s.shift.data()[k];
      if (c.residual) z += residual[at(c, r, k)];
      y[at(c, r, k)] = c.relu ? std::max(z, 0.0) : z;
    }
  }
  return y;
}

struct Gradients {
  std::vector<double> dx, dresidual, dscale, dshift;
  std::vector<double> dscale_terms, dshift_terms;  // root of the sum of the squares of what is summed
  std::vector<double> undiminished;  // dx without the batch's part taken away: what rounding errors go by
};

// From the equations; the ReLU's mask is that of y as it was stored.
Gradients backward(const Case& c, const Buffers& s, const Statistics& statistics, bool batch) {
  const std::vector<double> x = s.x.values();
  const std::vector<double> y = s.y.values();
  const std::vector<double> dy = s.dy.values();
  Gradients g;
  g.dx.resize(x.size());
  g.dresidual.resize(x.size());
  for (std::int64_t k = 0; k < c.channels; ++k) {
    const double inverse = 1 / std::sqrt(statistics.variance[static_cast<std::size_t>(k)] + kEpsilon);
    const double mean = statistics.mean[static_cast<std::size_t>(k)];
    double dscale = 0;
    double dshift = 0;
    double dscale_squares = 0;
    double dshift_squares = 0;
    for (std::int64_t r = 0; r < c.rows; ++r) {
      const double dz = c.relu && y[at(c, r, k)] <= 0 ? 0.0 : dy[at(c, r, k)];
      g.dresidual[at(c, r, k)] = dz;
      const double dz_xhat = dz * (x[at(c, r, k)] - mean) * inverse;
      dshift += dz;
      dscale += dz_xhat;
      dshift_squares += dz * dz;
      dscale_squares += dz_xhat * dz_xhat;
    }
    for (std::int64_t r = 0; r < c.rows; ++r) {
      const double xhat = (x[at(c, r, k)] - mean) * inverse;
      double d = g.dresidual[at(c, r, k)];
      g.undiminished.push_back(s.scale.data()[k] * inverse * d);
      if (batch) d -= (dshift + xhat * dscale) / static_cast<double>(c.rows);
      g.dx[at(c, r, k)] = s.scale.data()[k] * inverse * d;
    }
    g.dscale.push_back(dscale);
    g.dshift.push_back(dshift);
    g.dscale_terms.push_back(std::sqrt(dscale_squares));
    g.dshift_terms.push_back(std::sqrt(dshift_squares));
  }
  return g;
}

std::string describe(const Case& c) {
  return test::describe(c.type, c.layout) + ", rows " + std::to_string(c.rows) + ", C " +
         std::to_string(c.channels) + (c.residual ? ", residual" : "") + (c.relu ? ", relu" : "");
}

void check_training(const Case& c) {
  SCOPED_TRACE(describe(c));
  Random random;
  Buffers s(c, random);
  const std::vector<double> old_mean = s.running_mean.doubles();
  const std::vector<double> old_variance = s.running_variance.doubles();
  const BatchNormRunning running{s.running_mean.data(), s.running_variance.data(), 0.2F};
  ASSERT_TRUE(
      succeeded(batch_norm_act_training(s.y.data(), s.saved_mean.data(), s.saved_inverse.data(), running,
                                        s.x.data(), c.residual ? s.residual.data() : nullptr, s.parameters(),
                                        c.relu, s.shape, s.workspace.data(), s.workspace.bytes(), nullptr)));
  const Statistics statistics = statistics_of(c, s.x.values());
  const double tolerance = storage_tolerance(c.type);
  EXPECT_LE(relative_error(s.y.values(), forward(c, s, statistics)), tolerance);
  EXPECT_TRUE(s.y.padding_untouched());
  // A mean near zero has the rounding of what it is the mean of.
  std::vector<double> deviation;
  for (const double variance : statistics.variance) deviation.push_back(std::sqrt(variance));
  EXPECT_LE(relative_error(s.saved_mean.doubles(), statistics.mean, deviation), 1e-6);
  std::vector<double> inverse;
  std::vector<double> new_mean;
  std::vector<double> new_variance;
  for (std::size_t k = 0; k < old_mean.size(); ++k) {
    const auto n = static_cast<double>(c.rows);
    const double unbiased = c.rows > 1 ? statistics.variance[k] * n / (n - 1) : statistics.variance[k];
    inverse.push_back(1 / std::sqrt(statistics.variance[k] + kEpsilon));
    new_mean.push_back(0.8 * old_mean[k] + 0.2 * statistics.mean[k]);
    new_variance.push_back(0.8 * old_variance[k] + 0.2 * unbiased);
  }
  EXPECT_LE(relative_error(s.saved_inverse.doubles(), inverse), 2e-6);
  EXPECT_LE(relative_error(s.running_mean.doubles(), new_mean, deviation), 1e-6);
  EXPECT_LE(relative_error(s.running_variance.doubles(), new_variance), 2e-6);

  const BatchNormGradients out{s.dx.data(), c.residual ? s.dresidual.data() : nullptr, s.dscale.data(),
                               s.dshift.data()};
  // Without a residual the mask comes from x: y is not shown to the kernel.
  ASSERT_TRUE(succeeded(batch_norm_act_backward(
      out, s.dy.data(), s.x.data(), c.residual ? s.y.data() : nullptr, s.parameters(), s.saved_mean.data(),
      s.saved_inverse.data(), c.relu, true, s.shape, s.workspace.data(), s.workspace.bytes(), nullptr)));
  const Gradients expected = backward(c, s, statistics, true);
  // Few rows leave little of dx, for one row nothing: the error is seen against what it is the difference of.
  const std::vector<double> zeros(expected.dx.size(), 0.0);
  std::vector<double> difference = s.dx.values();
  for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= expected.dx[i];
  EXPECT_LE(relative_error(difference, zeros), 2 * tolerance * relative_error(expected.undiminished, zeros));
  EXPECT_TRUE(s.dx.padding_untouched());
  EXPECT_LE(relative_error(s.dscale.doubles(), expected.dscale, expected.dscale_terms), 1e-5);
  EXPECT_LE(relative_error(s.dshift.doubles(), expected.dshift, expected.dshift_terms), 1e-5);
  if (c.residual) {
    EXPECT_EQ(s.dresidual.values(), expected.dresidual);
  }
}

TEST(BatchNormAct, TrainingAndItsGradientsInEveryLayout) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) {
      for (const bool residual : {false, true}) {
        check_training({type, layout, 40, 24, residual, true});
        check_training({type, layout, 37, 11, residual, false});
      }
    }
  }
}

TEST(BatchNormAct, ManyRowBlocksAndWideMaps) {
  check_training({DType::f32, {}, 9000, 2, true, true});
  check_training({DType::f32, {}, 1500, 5, true, true});
  check_training({DType::f32, {5, Placement::aligned}, 1500, 11, false, true});
  check_training({DType::f16, {}, 5, 2060, false, true});
  check_training({DType::f32, {}, 3, 1, false, true});
  check_training({DType::f32, {}, 1, 5, false, false});
}

TEST(BatchNormAct, MeanFarAboveTheDeviation) {
  const Case c{DType::f32, {}, 500, 3, false, false, 1000.0, 0.1};
  Random random;
  Buffers s(c, random);
  ASSERT_TRUE(succeeded(batch_norm_act_training(s.y.data(), s.saved_mean.data(), s.saved_inverse.data(), {},
                                                s.x.data(), nullptr, s.parameters(), false, s.shape,
                                                s.workspace.data(), s.workspace.bytes(), nullptr)));
  const Statistics statistics = statistics_of(c, s.x.values());
  std::vector<double> inverse;
  for (const double variance : statistics.variance) inverse.push_back(1 / std::sqrt(variance + kEpsilon));
  EXPECT_LE(relative_error(s.saved_inverse.doubles(), inverse), 1e-5);
  // The mean itself is rounded to fp32, half a unit in the last place of 1000, which is 3e-4 deviations.
  EXPECT_LE(relative_error(s.y.values(), forward(c, s, statistics)), 5e-4);
}

TEST(BatchNormAct, InferenceAndItsGradients) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : {Layout{0, Placement::exact}, Layout{8, Placement::aligned}}) {
      for (const bool residual : {false, true}) {
        const Case c{type, layout, 30, 19, residual, true};
        SCOPED_TRACE(describe(c));
        Random random;
        Buffers s(c, random);
        ASSERT_TRUE(succeeded(batch_norm_act_inference(
            s.y.data(), s.x.data(), residual ? s.residual.data() : nullptr, s.parameters(),
            s.running_mean.data(), s.running_variance.data(), true, s.shape, nullptr)));
        const Statistics statistics{s.running_mean.doubles(), s.running_variance.doubles()};
        EXPECT_LE(relative_error(s.y.values(), forward(c, s, statistics)), storage_tolerance(type));
        for (std::int64_t k = 0; k < c.channels; ++k) {
          s.saved_inverse.data()[k] =
              static_cast<float>(1 / std::sqrt(statistics.variance[static_cast<std::size_t>(k)] + kEpsilon));
        }
        ASSERT_TRUE(succeeded(batch_norm_act_backward(
            {s.dx.data(), s.dresidual.data(), s.dscale.data(), nullptr}, s.dy.data(), s.x.data(), s.y.data(),
            s.parameters(), s.running_mean.data(), s.saved_inverse.data(), true, false, s.shape,
            s.workspace.data(), s.workspace.bytes(), nullptr)));
        const Gradients expected = backward(c, s, statistics, false);
        EXPECT_LE(relative_error(s.dx.values(), expected.dx), storage_tolerance(type));
        EXPECT_EQ(s.dresidual.values(), expected.dresidual);
        EXPECT_LE(relative_error(s.dscale.doubles(), expected.dscale, expected.dscale_terms), 1e-5);
      }
    }
  }
}

TEST(BatchNormAct, WritesZerosIntoStoredLanes) {
  const Case c{DType::f16, {5, Placement::aligned}, 20, 11, true, true};
  Random random;
  Buffers s(c, random);
  s.shape.zeroed_channels = 14;
  ASSERT_TRUE(succeeded(batch_norm_act_training(s.y.data(), s.saved_mean.data(), s.saved_inverse.data(), {},
                                                s.x.data(), s.residual.data(), s.parameters(), true, s.shape,
                                                s.workspace.data(), s.workspace.bytes(), nullptr)));
  ASSERT_TRUE(succeeded(batch_norm_act_backward({s.dx.data(), s.dresidual.data(), nullptr, nullptr},
                                                s.dy.data(), s.x.data(), s.y.data(), s.parameters(),
                                                s.saved_mean.data(), s.saved_inverse.data(), true, true,
                                                s.shape, s.workspace.data(), s.workspace.bytes(), nullptr)));
  for (const MapBuffer* map : {&s.y, &s.dx, &s.dresidual}) {
    const auto* lanes = static_cast<const std::uint16_t*>(map->data());
    for (std::int64_t row = 0; row + 1 < c.rows; ++row) {
      for (std::int64_t lane = 11; lane < 16; ++lane) {
        EXPECT_EQ(lanes[row * 16 + lane], lane < 14 ? 0 : 0xFFFF);
      }
    }
  }
}

TEST(BatchNormAct, GradientsMayReplaceTheirSource) {
  const Case c{DType::f32, {}, 50, 8, true, true};
  Random random;
  Buffers s(c, random);
  const Statistics statistics = statistics_of(c, s.x.values());
  ASSERT_TRUE(succeeded(batch_norm_act_training(
      s.residual.data(), s.saved_mean.data(), s.saved_inverse.data(), {}, s.x.data(), s.residual.data(),
      s.parameters(), true, s.shape, s.workspace.data(), s.workspace.bytes(), nullptr)));
  s.y.fill(s.residual.values());
  const Gradients expected = backward(c, s, statistics, true);
  ASSERT_TRUE(succeeded(batch_norm_act_backward({s.dy.data(), s.dresidual.data(), nullptr, nullptr},
                                                s.dy.data(), s.x.data(), s.y.data(), s.parameters(),
                                                s.saved_mean.data(), s.saved_inverse.data(), true, true,
                                                s.shape, s.workspace.data(), s.workspace.bytes(), nullptr)));
  EXPECT_LE(relative_error(s.dy.values(), expected.dx), 1e-5);
  EXPECT_EQ(s.dresidual.values(), expected.dresidual);
}

TEST(BatchNormAct, ConstantChannelsAndBadValues) {
  MapBuffer x(DType::f32, 8, 3);
  std::vector<double> values;
  for (int r = 0; r < 8; ++r) values.insert(values.end(), {0.1, r == 3 ? NAN : 1.0 * r, 1.0 * r});
  x.fill(values);
  MapBuffer y(DType::f32, 8, 3);
  const Array<float> mean(3);
  const Array<float> inverse(3);
  const Array<float> shift(std::vector<float>{0.5F, 0.5F, 0.5F});
  const BatchNormShape shape{DType::f32, 8, 3, 3, 0};
  const Array<char> workspace(batch_norm_workspace(shape));
  ASSERT_TRUE(succeeded(batch_norm_act_training(y.data(), mean.data(), inverse.data(), {}, x.data(), nullptr,
                                                {nullptr, shift.data(), 1e-5F}, true, shape, workspace.data(),
                                                workspace.bytes(), nullptr)));
  for (std::size_t r = 0; r < 8; ++r) {
    EXPECT_EQ(y.values()[3 * r], 0.5);
    EXPECT_TRUE(std::isnan(y.values()[3 * r + 1]));
    EXPECT_TRUE(std::isfinite(y.values()[3 * r + 2]));
  }
}

TEST(BatchNormAct, RefusesWhatBreaksTheContract) {
  const Case c{DType::f32, {}, 4, 3, false, true};
  Random random;
  Buffers s(c, random);
  const auto train = [&](void* y, const BatchNormRunning& running, std::int64_t bytes) {
    return batch_norm_act_training(y, s.saved_mean.data(), s.saved_inverse.data(), running, s.x.data(),
                                   nullptr, s.parameters(), true, s.shape, s.workspace.data(), bytes,
                                   nullptr);
  };
  EXPECT_TRUE(refused(train(nullptr, {}, s.workspace.bytes()), "y is null"));
  EXPECT_TRUE(refused(train(s.x.data(), {}, s.workspace.bytes()), "y must not be x"));
  EXPECT_TRUE(
      refused(train(s.y.data(), {s.running_mean.data(), nullptr, 0.1F}, s.workspace.bytes()), "both"));
  EXPECT_TRUE(refused(train(s.y.data(), {}, s.workspace.bytes() - 1), "workspace has"));
  const auto back = [&](const BatchNormGradients& out, const void* y) {
    return batch_norm_act_backward(out, s.dy.data(), s.x.data(), y, s.parameters(), s.saved_mean.data(),
                                   s.saved_inverse.data(), true, true, s.shape, s.workspace.data(),
                                   s.workspace.bytes(), nullptr);
  };
  EXPECT_TRUE(refused(back({s.dx.data(), s.dresidual.data(), nullptr, nullptr}, nullptr), "y is null"));
  EXPECT_TRUE(refused(back({s.dx.data(), s.dx.data(), nullptr, nullptr}, s.y.data()), "one buffer"));
  s.shape.zeroed_channels = 4;
  EXPECT_TRUE(refused(train(s.y.data(), {}, s.workspace.bytes()), "leading dimension 3 is less than 4"));
  s.shape = {DType::f32, 0, 3, 3, 0};
  EXPECT_TRUE(succeeded(train(nullptr, {}, 0)));
  EXPECT_TRUE(succeeded(
      batch_norm_act_inference(nullptr, nullptr, nullptr, {}, nullptr, nullptr, true, s.shape, nullptr)));
}

TEST(BatchNormAct, InverseDeviation) {
  const Array<float> variance(std::vector<float>{0.25F, 0.0F, 4.0F});
  const Array<float> inverse(3);
  ASSERT_TRUE(succeeded(batch_norm_inverse_deviation(inverse.data(), variance.data(), 0.0625F, 3, nullptr)));
  EXPECT_FLOAT_EQ(inverse.values()[0], 1.0F / std::sqrt(0.3125F));
  EXPECT_FLOAT_EQ(inverse.values()[1], 4.0F);
  EXPECT_FLOAT_EQ(inverse.values()[2], 1.0F / std::sqrt(4.0625F));
  EXPECT_TRUE(succeeded(batch_norm_inverse_deviation(nullptr, nullptr, 0.0F, 0, nullptr)));
  EXPECT_TRUE(refused(batch_norm_inverse_deviation(nullptr, variance.data(), 0.0F, 3, nullptr), "is null"));
}

}  // namespace
}  // namespace secateur::kernels::test
