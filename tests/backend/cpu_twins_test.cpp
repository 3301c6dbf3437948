// channel_moments and augment on the CPU against float64, and weight gradients of convolutions.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "backend/cpu/weight_gradient.h"
#include "secateur/backend/cpu_twins.h"
#include "secateur/core/error.h"
#include "secateur/core/rng.h"

namespace secateur {
namespace {

std::vector<float> normals(std::int64_t count, std::uint32_t key, double mean = 0, double deviation = 1) {
  RandomSequence random(11, RngPurpose::test, key);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(mean + deviation * random.normal()));
  }
  return values;
}

// Values with padding lanes that would be noticed.
std::vector<float> spread(const std::vector<float>& dense, std::int64_t channels, std::int64_t leading) {
  std::vector<float> values(
      dense.size() / static_cast<std::size_t>(channels) * static_cast<std::size_t>(leading), NAN);
  for (std::size_t i = 0; i < dense.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i) / channels;
    values[static_cast<std::size_t>(row * leading + static_cast<std::int64_t>(i) % channels)] = dense[i];
  }
  return values;
}

struct Moments {
  std::vector<float> mean, squares, low, high;
  explicit Moments(std::int64_t count)
      : mean(static_cast<std::size_t>(count), NAN), squares(mean), low(mean), high(mean) {}
  [[nodiscard]] cpu::MapMoments pointers() { return {mean.data(), squares.data(), low.data(), high.data()}; }
};

void check_moments(const Shape& shape, std::int64_t leading, double mean, double deviation) {
  SCOPED_TRACE(shape.to_string() + ", leading " + std::to_string(leading));
  const std::vector<float> x = normals(shape.count(), 1, mean, deviation);
  std::vector<float> stored = spread(x, shape[3], leading);
  Moments out(shape[0] * shape[3]);
  cpu::channel_moments(Tensor(stored.data(), DType::f32, shape, leading), out.pointers());
  const std::int64_t positions = shape[1] * shape[2];
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t c = 0; c < shape[3]; ++c) {
      const auto at = [&](std::int64_t t) {
        return static_cast<double>(x[static_cast<std::size_t>((n * positions + t) * shape[3] + c)]);
      };
      double sum = 0;
      double low = INFINITY;
      double high = -INFINITY;
      for (std::int64_t t = 0; t < positions; ++t) {
        sum += at(t);
        low = std::min(low, at(t));
        high = std::max(high, at(t));
      }
      const double average = sum / static_cast<double>(positions);
      double squares = 0;
      for (std::int64_t t = 0; t < positions; ++t) squares += (at(t) - average) * (at(t) - average);
      const auto i = static_cast<std::size_t>(n * shape[3] + c);
      EXPECT_NEAR(out.mean[i], average, 5e-7 * (std::abs(average) + deviation));
      EXPECT_NEAR(out.squares[i], squares, 2e-6 * squares);
      EXPECT_EQ(out.low[i], low);
      EXPECT_EQ(out.high[i], high);
    }
  }
}

TEST(CpuTwins, MomentsMatchFloat64) {
  check_moments({2, 7, 7, 24}, 24, 0.5, 1);
  check_moments({3, 3, 3, 11}, 16, 0.5, 1);
  check_moments({2, 1, 2, 1}, 1, 0.5, 1);
  check_moments({4, 16, 16, 70}, 72, -3, 1);  // more than one strip, and more than one thread
  check_moments({1, 50, 22, 4}, 4, 0, 1);
  check_moments({2, 20, 15, 5}, 5, 10000, 0.05);
}

TEST(CpuTwins, MomentsOfOnePositionOfNothingAndOfNotANumber) {
  std::vector<float> x{0.1F, NAN, 7, 0.1F, 4, INFINITY};
  Moments out(6);
  cpu::channel_moments(Tensor(x.data(), DType::f32, {2, 1, 1, 3}), out.pointers());
  EXPECT_EQ(out.mean[0], 0.1F);
  EXPECT_EQ(out.squares[0], 0);
  EXPECT_TRUE(std::isnan(out.mean[1]) && std::isnan(out.squares[1]));
  cpu::channel_moments(Tensor(x.data(), DType::f32, {1, 1, 2, 3}), out.pointers());
  EXPECT_TRUE(std::isnan(out.mean[1]) && std::isnan(out.squares[1]));
  EXPECT_EQ(out.low[1], 4);
  EXPECT_EQ(out.high[1], 4);
  EXPECT_FALSE(std::isfinite(out.mean[2]));
  EXPECT_TRUE(std::isnan(out.squares[2]));
  Moments none(0);
  cpu::channel_moments(Tensor(x.data(), DType::f32, {0, 1, 2, 3}), none.pointers());
  cpu::channel_moments(Tensor(x.data(), DType::f32, {1, 1, 2, 3}), {});
  EXPECT_THROW(cpu::channel_moments(Tensor(x.data(), DType::f32, {1, 0, 2, 3}), {}), Error);
  EXPECT_THROW(cpu::channel_moments(Tensor(x.data(), DType::f16, {1, 1, 2, 3}), {}), Error);
}

cpu::AugmentOptions cifar_like() {
  cpu::AugmentOptions options;
  options.height = 9;
  options.width = 7;
  options.padding = 2;
  options.random_crop = true;
  options.random_flip = true;
  options.seed = 0x123456789ABCDEF0U;
  options.mean = {0.4F, 0.45F, 0.5F, 0.55F};
  options.inverse_deviation = {4, 5, 6, 7};
  return options;
}

void check_augment(const Shape& shape, std::int64_t leading, const cpu::AugmentOptions& o) {
  SCOPED_TRACE(shape.to_string() + ", leading " + std::to_string(leading));
  constexpr std::int64_t kImages = 5;
  const std::int64_t channels = shape[3];
  RandomSequence bytes(3, RngPurpose::test);
  std::vector<std::uint8_t> source(static_cast<std::size_t>(kImages * o.height * o.width * channels));
  for (std::uint8_t& pixel : source) pixel = static_cast<std::uint8_t>(bytes.next_u32() >> 24);
  std::vector<std::int32_t> samples;
  for (std::int64_t n = 0; n < shape[0]; ++n) samples.push_back(static_cast<std::int32_t>(n * 3 % kImages));
  std::vector<float> out(static_cast<std::size_t>(shape.count() / channels * leading), NAN);
  cpu::augment(Tensor(out.data(), DType::f32, shape, leading), source, samples, 6, o);
  std::size_t i = 0;
  for (const std::int32_t sample : samples) {
    RandomSequence words(o.seed, RngPurpose::augmentation, 6, static_cast<std::uint32_t>(sample));
    const std::int64_t drawn_y =
        words.below(static_cast<std::uint32_t>(o.height + 2 * o.padding - shape[1] + 1));
    const std::int64_t drawn_x =
        words.below(static_cast<std::uint32_t>(o.width + 2 * o.padding - shape[2] + 1));
    const bool drawn_flip = words.next_u32() >> 31 != 0;
    const std::int64_t dy = o.random_crop ? drawn_y : (o.height + 2 * o.padding - shape[1]) / 2;
    const std::int64_t dx = o.random_crop ? drawn_x : (o.width + 2 * o.padding - shape[2]) / 2;
    for (std::int64_t h = 0; h < shape[1]; ++h) {
      for (std::int64_t w = 0; w < shape[2]; ++w) {
        const std::int64_t y = h + dy - o.padding;
        const std::int64_t x = (o.random_flip && drawn_flip ? shape[2] - 1 - w : w) + dx - o.padding;
        for (std::int64_t c = 0; c < leading; ++c, ++i) {
          double expected = 0;
          if (c < channels) {
            const bool inside = y >= 0 && y < o.height && x >= 0 && x < o.width;
            const double pixel =
                inside
                    ? source[static_cast<std::size_t>(((sample * o.height + y) * o.width + x) * channels + c)]
                    : 0;
            const auto k = static_cast<std::size_t>(c);
            expected =
                (pixel / 255 - static_cast<double>(o.mean[k])) * static_cast<double>(o.inverse_deviation[k]);
          }
          ASSERT_NEAR(out[i], expected, 1e-6 * std::abs(expected)) << i;
        }
      }
    }
  }
}

TEST(CpuTwins, AugmentMatchesFloat64) {
  check_augment({20, 9, 7, 3}, 3, cifar_like());
  check_augment({20, 9, 7, 3}, 8, cifar_like());
  check_augment({20, 5, 4, 1}, 1, cifar_like());  // crops that are smaller than the image
  check_augment({20, 12, 11, 4}, 4, cifar_like());
  check_augment({60, 9, 7, 2}, 2, cifar_like());
  cpu::AugmentOptions still = cifar_like();
  still.random_crop = still.random_flip = false;
  check_augment({4, 6, 6, 3}, 3, still);
  still.random_flip = true;
  check_augment({4, 6, 6, 3}, 3, still);
}

TEST(CpuTwins, AugmentRefusesWhatDoesNotFit) {
  std::vector<float> out(9 * 7 * 3);
  const std::vector<std::uint8_t> source(9 * 7 * 3);
  const std::vector<std::int32_t> first{0};
  const std::vector<std::int32_t> second{1};
  const Tensor batch(out.data(), DType::f32, {1, 9, 7, 3});
  EXPECT_NO_THROW(cpu::augment(batch, source, first, 0, cifar_like()));
  EXPECT_THROW(cpu::augment(batch, source, second, 0, cifar_like()), Error);
  EXPECT_THROW(cpu::augment(batch, source, {}, 0, cifar_like()), Error);
  cpu::AugmentOptions small = cifar_like();
  small.height = 4;
  EXPECT_THROW(cpu::augment(batch, source, first, 0, small), Error);
}

struct Gradient {
  cpu::WeightGradientProblem problem;
  std::int64_t input_leading = 0;
  std::int64_t output_leading = 0;
};

std::vector<float> run(const Gradient& g, std::vector<float>& x, std::vector<float>& dy) {
  const cpu::WeightGradientProblem& p = g.problem;
  const cpu::WeightGradient kernel(p);
  std::vector<std::byte> workspace(static_cast<std::size_t>(kernel.workspace_bytes()));
  const float poison = NAN;
  for (std::size_t i = 0; i + sizeof(poison) <= workspace.size(); i += sizeof(poison)) {
    std::memcpy(workspace.data() + i, &poison, sizeof(poison));
  }
  const Shape weights{p.filters, p.kernel[0], p.kernel[1], p.channels};
  std::vector<float> result(static_cast<std::size_t>(weights.count()), NAN);
  kernel.run(Tensor(x.data(), DType::f32, {p.images, p.input[0], p.input[1], p.channels}, g.input_leading),
             Tensor(dy.data(), DType::f32, {p.images, p.output[0], p.output[1], p.filters}, g.output_leading),
             Tensor(result.data(), DType::f32, weights), workspace.data());
  return result;
}

void check_gradient(const Gradient& g) {
  const cpu::WeightGradientProblem& p = g.problem;
  SCOPED_TRACE(fmt::format("{}x{}x{}x{} -> {}x{}x{}, kernel {}x{}, stride {}, padding {}", p.images,
                           p.input[0], p.input[1], p.channels, p.output[0], p.output[1], p.filters,
                           p.kernel[0], p.kernel[1], p.stride[0], p.padding[0]));
  const std::vector<float> x = normals(p.images * p.input[0] * p.input[1] * p.channels, 1);
  const std::vector<float> dy = normals(p.images * p.output[0] * p.output[1] * p.filters, 2);
  std::vector<float> stored_x = spread(x, p.channels, g.input_leading);
  std::vector<float> stored_dy = spread(dy, p.filters, g.output_leading);
  const std::vector<float> got = run(g, stored_x, stored_dy);
  std::size_t i = 0;
  double error = 0;
  double size = 0;
  for (std::int64_t k = 0; k < p.filters; ++k) {
    for (std::int64_t r = 0; r < p.kernel[0]; ++r) {
      for (std::int64_t s = 0; s < p.kernel[1]; ++s) {
        for (std::int64_t c = 0; c < p.channels; ++c, ++i) {
          double sum = 0;
          for (std::int64_t n = 0; n < p.images; ++n) {
            for (std::int64_t y = 0; y < p.output[0]; ++y) {
              for (std::int64_t z = 0; z < p.output[1]; ++z) {
                const std::int64_t row = y * p.stride[0] + r - p.padding[0];
                const std::int64_t column = z * p.stride[1] + s - p.padding[1];
                if (row < 0 || row >= p.input[0] || column < 0 || column >= p.input[1]) continue;
                sum += static_cast<double>(dy[static_cast<std::size_t>(
                           ((n * p.output[0] + y) * p.output[1] + z) * p.filters + k)]) *
                       static_cast<double>(x[static_cast<std::size_t>(
                           ((n * p.input[0] + row) * p.input[1] + column) * p.channels + c)]);
              }
            }
          }
          const double difference = static_cast<double>(got[i]) - sum;
          error += difference * difference;
          size += sum * sum;
        }
      }
    }
  }
  EXPECT_LE(std::sqrt(error / size), 1e-6);
}

TEST(CpuWeightGradient, MatchesFloat64) {
  check_gradient({{3, {8, 8}, {8, 8}, {3, 3}, {1, 1}, {1, 1}, 16, 16}, 16, 16});
  check_gradient({{5, {9, 6}, {9, 6}, {3, 3}, {1, 1}, {1, 1}, 3, 10}, 3, 10});
  check_gradient({{2, {7, 7}, {7, 7}, {3, 3}, {1, 1}, {1, 1}, 11, 13}, 16, 16});  // padding lanes
  check_gradient({{4, {8, 8}, {4, 4}, {3, 3}, {2, 2}, {1, 1}, 5, 6}, 5, 6});
  check_gradient({{4, {9, 9}, {5, 5}, {1, 1}, {2, 2}, {0, 0}, 7, 9}, 8, 9});
  check_gradient({{2, {9, 10}, {3, 4}, {5, 3}, {3, 3}, {2, 1}, 2, 1}, 2, 1});
  check_gradient({{1, {1, 1}, {1, 1}, {3, 3}, {1, 1}, {1, 1}, 4, 4}, 4, 4});
  check_gradient({{2, {2, 2}, {2, 2}, {7, 7}, {1, 1}, {3, 3}, 1, 2}, 1, 2});   // taps that no row pairs
  check_gradient({{70, {4, 4}, {4, 4}, {3, 3}, {1, 1}, {1, 1}, 2, 3}, 2, 3});  // more images than chunks
}

TEST(CpuWeightGradient, TheSameBitsForAnyNumberOfThreads) {
  const Gradient g{{33, {6, 6}, {6, 6}, {3, 3}, {1, 1}, {1, 1}, 12, 10}, 12, 10};
  std::vector<float> x = normals(33 * 36 * 12, 1);
  std::vector<float> dy = normals(33 * 36 * 10, 2);
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<float> alone = run(g, x, dy);
  omp_set_num_threads(3);
  EXPECT_EQ(run(g, x, dy), alone);
  omp_set_num_threads(threads);
}

}  // namespace
}  // namespace secateur
