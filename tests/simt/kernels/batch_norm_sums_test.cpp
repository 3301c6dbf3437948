// Statistics from sums against the equations in float64; and the batch norm that is made of them.
#include "secateur/kernels/batch_norm_sums.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

constexpr double kEpsilon = 1e-3;
constexpr double kMomentum = 0.2;

struct Case {
  Case(std::int64_t channels, std::int64_t stored, std::int64_t map_rows, double mean)
      : rows(map_rows),
        count(channels),
        padded(stored),
        x(DType::f32, map_rows, channels),
        finished_mean(stored),
        inverse(stored),
        scale_copy(stored),
        shift_copy(stored),
        factor(DType::f16, 1, stored),
        offset(DType::f16, 1, stored),
        running_mean(std::vector<float>(static_cast<std::size_t>(channels), 0.25F)),
        running_variance(std::vector<float>(static_cast<std::size_t>(channels), 0.5F)) {
    Random random;
    x.fill(random.normals(map_rows * channels, mean, 1.5));
    const std::vector<double> values = x.values();
    for (std::int64_t k = 0; k < channels; ++k) {
      double total = 0;
      double of_squares = 0;
      for (std::int64_t row = 0; row < map_rows; ++row) {
        const double value = values[static_cast<std::size_t>(row * channels + k)];
        total += value;
        of_squares += value * value;
      }
      sum.data()[k] = static_cast<float>(total);
      sum_of_squares.data()[k] = static_cast<float>(of_squares);
      scale.data()[k] = static_cast<float>(random.uniform(-2, 2));
      shift.data()[k] = static_cast<float>(random.uniform(-1, 1));
    }
  }

  Status finish(bool prologue) const {
    BatchNormFinished finished{.mean = finished_mean.data(), .inverse_deviation = inverse.data()};
    if (prologue) {
      finished.scale = scale_copy.data();
      finished.shift = shift_copy.data();
      finished.factor = factor.data();
      finished.offset = offset.data();
    }
    return batch_norm_finish_sums(
        finished, {running_mean.data(), running_variance.data(), static_cast<float>(kMomentum)},
        {sum.data(), sum_of_squares.data()}, rows, parameters(), count, padded, nullptr);
  }
  [[nodiscard]] BatchNormParameters parameters() const {
    return {scale.data(), shift.data(), static_cast<float>(kEpsilon)};
  }

  std::int64_t rows, count, padded;
  MapBuffer x;
  Array<float> sum{count}, sum_of_squares{count}, scale{count}, shift{count};
  Array<float> finished_mean, inverse, scale_copy, shift_copy;
  MapBuffer factor, offset;
  Array<float> running_mean, running_variance;
};

TEST(BatchNormSums, GiveTheStatisticsOfTheMap) {
  for (const auto& [channels, stored, rows] :
       {std::array<std::int64_t, 3>{1, 1, 1}, {5, 8, 33}, {16, 16, 200}, {130, 136, 7}, {256, 256, 2}}) {
    SCOPED_TRACE(std::to_string(channels) + " of " + std::to_string(stored));
    const Case c(channels, stored, rows, 0.7);
    ASSERT_TRUE(succeeded(c.finish(true)));
    const std::vector<double> x = c.x.values();
    std::vector<double> mean, inverse, factor, offset, running_mean, running_variance;
    for (std::int64_t k = 0; k < stored; ++k) {
      double m = 0;
      double variance = 0;
      if (k >= channels) {
        for (auto* list : {&mean, &inverse, &factor, &offset}) list->push_back(0);
        continue;
      }
      const auto at = [&, width = channels](std::int64_t row) {
        return x[static_cast<std::size_t>(row * width + k)];
      };
      for (std::int64_t row = 0; row < rows; ++row) m += at(row) / static_cast<double>(rows);
      for (std::int64_t row = 0; row < rows; ++row)
        variance += (at(row) - m) * (at(row) - m) / static_cast<double>(rows);
      mean.push_back(m);
      inverse.push_back(1 / std::sqrt(variance + kEpsilon));
      factor.push_back(c.scale.doubles()[static_cast<std::size_t>(k)] * inverse.back());
      offset.push_back(c.shift.doubles()[static_cast<std::size_t>(k)] - m * factor.back());
      const double unbiased =
          rows > 1 ? variance * static_cast<double>(rows) / static_cast<double>(rows - 1) : variance;
      running_mean.push_back(0.25 + kMomentum * (m - 0.25));
      running_variance.push_back(0.5 + kMomentum * (unbiased - 0.5));
    }
    // Of two rows that are nearly equal the squares leave little of the variance; of one, next to nothing.
    EXPECT_LT(relative_error(c.finished_mean.doubles(), mean), 1e-6);
    EXPECT_LT(relative_error(c.inverse.doubles(), inverse), rows <= 2 ? 1e-3 : 1e-5);
    EXPECT_LT(relative_error(c.factor.values(), factor), storage_tolerance(DType::f16));
    EXPECT_LT(relative_error(c.offset.values(), offset), storage_tolerance(DType::f16));
    EXPECT_LT(relative_error(c.running_mean.doubles(), running_mean), 1e-6);
    EXPECT_LT(relative_error(c.running_variance.doubles(), running_variance), 1e-5);
    for (std::int64_t k = 0; k < stored; ++k) {
      const auto i = static_cast<std::size_t>(k);
      EXPECT_EQ(c.scale_copy.values()[i], k < channels ? c.scale.values()[i] : 0.0F);
      EXPECT_EQ(c.shift_copy.values()[i], k < channels ? c.shift.values()[i] : 0.0F);
    }
  }
}

// Sums and apply together are the training pass that takes its own statistics.
TEST(BatchNormSums, ApplyAsTheTrainingPassDoes) {
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    for (const bool relu : {false, true}) {
      const Case c(5, 8, 33, 0.3);
      ASSERT_TRUE(succeeded(c.finish(false)));
      const BatchNormShape shape{type, c.rows, c.count, 8, 8};
      MapBuffer x(type, c.rows, 5, 8);
      MapBuffer residual(type, c.rows, 5, 8);
      const MapBuffer y(type, c.rows, 8);
      const MapBuffer expected(type, c.rows, 8);
      x.fill(c.x.values());
      Random random;
      residual.fill(random.normals(c.rows * 5));
      ASSERT_TRUE(
          succeeded(batch_norm_act_apply(y.data(), x.data(), residual.data(), c.parameters(),
                                         c.finished_mean.data(), c.inverse.data(), relu, shape, nullptr)));
      const Array<float> mean(5);
      const Array<float> inverse(5);
      const Array<char> workspace(batch_norm_workspace(shape));
      ASSERT_TRUE(succeeded(batch_norm_act_training(expected.data(), mean.data(), inverse.data(), {},
                                                    x.data(), residual.data(), c.parameters(), relu, shape,
                                                    workspace.data(), workspace.bytes(), nullptr)));
      EXPECT_LT(relative_error(y.values(), expected.values()),
                type == DType::f32 ? 1e-5 : 2 * storage_tolerance(type));
    }
  }
}

TEST(BatchNormSums, AChannelWithoutVarianceStaysFinite) {
  const Case c(1, 1, 4, 0);
  c.sum.data()[0] = 4000.0F;
  c.sum_of_squares.data()[0] = 3999999.75F;  // rounded below what the mean's square is
  ASSERT_TRUE(succeeded(c.finish(true)));
  EXPECT_FLOAT_EQ(c.inverse.values()[0], static_cast<float>(1 / std::sqrt(kEpsilon)));
  EXPECT_FLOAT_EQ(c.running_variance.values()[0], 0.4F);
}

TEST(BatchNormSums, PassNaNOn) {
  const Case c(2, 2, 4, 0);
  c.sum_of_squares.data()[1] = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(succeeded(c.finish(true)));
  EXPECT_TRUE(std::isfinite(c.inverse.values()[0]));
  EXPECT_TRUE(std::isnan(c.inverse.values()[1]));
  EXPECT_TRUE(std::isnan(c.factor.values()[1]));
}

TEST(BatchNormSums, RefuseWhatCannotBe) {
  const Case c(4, 8, 2, 0);
  const BatchNormFinished plain{.mean = c.finished_mean.data(), .inverse_deviation = c.inverse.data()};
  const BatchNormSums sums{c.sum.data(), c.sum_of_squares.data()};
  const auto finish = [&](const BatchNormFinished& finished, const BatchNormRunning& running,
                          const BatchNormSums& from, std::int64_t rows, std::int64_t channels,
                          std::int64_t stored) {
    return batch_norm_finish_sums(finished, running, from, rows, c.parameters(), channels, stored, nullptr);
  };
  EXPECT_TRUE(refused(finish(plain, {}, sums, 0, 4, 8), "rows"));
  EXPECT_TRUE(refused(finish(plain, {}, sums, 2, 4, 3), "stored channels"));
  EXPECT_TRUE(refused(finish({}, {}, sums, 2, 4, 8), "mean is null"));
  EXPECT_TRUE(refused(finish(plain, {}, {c.sum.data(), nullptr}, 2, 4, 8), "sum_of_squares"));
  EXPECT_TRUE(refused(finish(plain, {c.running_mean.data(), nullptr}, sums, 2, 4, 8), "running mean"));
  BatchNormFinished some = plain;
  some.scale = c.scale_copy.data();
  EXPECT_TRUE(refused(finish(some, {}, sums, 2, 4, 8), "all be given"));
  EXPECT_TRUE(succeeded(finish({}, {}, {}, 2, 0, 0)));
}

}  // namespace
}  // namespace secateur::kernels::test
