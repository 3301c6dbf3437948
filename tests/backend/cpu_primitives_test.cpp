// The CPU primitives against plain double loops.
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"
#include "secateur/core/rng.h"

namespace secateur {
namespace {

class CpuPrimitivesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Device> device_ = make_host_device(DeviceKind::cpu);
  std::unique_ptr<Stream> stream_ = device_->make_stream();
  Primitives& primitives_ = primitives_of(DeviceKind::cpu);
};

template <class T>
std::vector<T> noise(std::int64_t count, std::uint64_t seed, double mean = 0, double deviation = 1) {
  RandomSequence random(seed, RngPurpose::test);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(mean + deviation * random.normal());
  return values;
}

// ---- weight update

template <class T>
void check_update(Primitives& primitives, Stream& stream, DType type, bool nesterov, double bound) {
  constexpr std::int64_t kCount = 40007;
  auto weights = noise<T>(kCount, 1);
  auto momentum = noise<T>(kCount, 2);
  const auto gradients = noise<T>(kCount, 3);
  const auto weights_before = weights;
  const auto momentum_before = momentum;
  // Unordered, with gaps, one of them empty.
  const std::vector<UpdateSegment> segments{{30000, 9001, 0.0}, {5, 0, 0.3}, {7, 1, 0.1}, {100, 25003, 5e-4}};
  primitives.sgd_update(stream, type, weights.data(), gradients.data(), momentum.data(), segments,
                        {.learning_rate = 0.05, .momentum = 0.9, .nesterov = nesterov});
  std::vector<bool> covered(kCount, false);
  for (const UpdateSegment& segment : segments) {
    for (std::int64_t i = segment.offset; i < segment.offset + segment.count; ++i) {
      const auto k = static_cast<std::size_t>(i);
      covered[k] = true;
      const double g = gradients[k] + segment.weight_decay * weights_before[k];
      const double v = 0.9 * momentum_before[k] + g;
      ASSERT_NEAR(momentum[k], v, bound) << i;
      ASSERT_NEAR(weights[k], weights_before[k] - 0.05 * (nesterov ? g + 0.9 * v : v), bound) << i;
    }
  }
  for (std::size_t k = 0; k < covered.size(); ++k) {
    if (covered[k]) continue;
    ASSERT_EQ(weights[k], weights_before[k]) << k;
    ASSERT_EQ(momentum[k], momentum_before[k]) << k;
  }
}

TEST_F(CpuPrimitivesTest, UpdatesWeights) {
  for (const bool nesterov : {false, true}) {
    check_update<float>(primitives_, *stream_, DType::f32, nesterov, 2e-6);
    check_update<double>(primitives_, *stream_, DType::f64, nesterov, 1e-14);
  }
}

TEST_F(CpuPrimitivesTest, RefusesToUpdateHalfPrecision) {
  const std::vector<UpdateSegment> segments{{0, 1, 0}};
  EXPECT_THROW(primitives_.sgd_update(*stream_, DType::bf16, nullptr, nullptr, nullptr, segments, {}), Error);
}

TEST_F(CpuPrimitivesTest, UpdatesWeightsWithPenalties) {
  std::vector<double> weights{2, -2, 0, 4};
  const std::vector<double> gradients{1, 1, 1, 1};
  std::vector<double> momentum(4, 0.0);
  const std::vector<double> decay{0.25, 0.5, 1, 9};
  const std::vector<UpdateSegment> segments{{0, 3, 0.5, 0.125}};
  primitives_.sgd_update(*stream_, DType::f64, weights.data(), gradients.data(), momentum.data(), segments,
                         {.learning_rate = 1, .momentum = 0, .decay = decay.data()});
  EXPECT_EQ(momentum, (std::vector<double>{2.625, -1.125, 1, 0}));
  EXPECT_EQ(weights, (std::vector<double>{-0.625, -0.875, -1, 4}));
}

// ---- norms

TEST_F(CpuPrimitivesTest, TakesNormsOfFilters) {
  auto first = noise<float>(7 * 3 * 3 * 5, 4);
  auto second = noise<double>(4 * 9, 5);
  first[3] = -50;  // the largest magnitude is negative
  for (const FilterNorm norm : {FilterNorm::l1, FilterNorm::l2, FilterNorm::max}) {
    std::vector<double> of_first(7, -1);
    std::vector<double> of_second(4, -1);
    const std::vector<NormRequest> requests{{Tensor(first.data(), DType::f32, {7, 3, 3, 5}), of_first.data()},
                                            {Tensor(second.data(), DType::f64, {4, 9}), of_second.data()}};
    primitives_.filter_norms(*stream_, norm, requests);
    const auto expected = [&](const auto* row, std::size_t length) {
      long double sum = 0;
      long double square = 0;
      long double largest = 0;
      for (std::size_t i = 0; i < length; ++i) {
        const long double value = std::abs(static_cast<long double>(row[i]));
        sum += value;
        square += value * value;
        largest = std::max(largest, value);
      }
      if (norm == FilterNorm::l1) return static_cast<double>(sum);
      return static_cast<double>(norm == FilterNorm::l2 ? std::sqrt(square) : largest);
    };
    for (std::size_t k = 0; k < 7; ++k) {
      const double value = expected(first.data() + k * 45, 45);
      EXPECT_NEAR(of_first[k], value, 1e-13 * value) << k;
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const double value = expected(second.data() + k * 9, 9);
      EXPECT_NEAR(of_second[k], value, 1e-13 * value) << k;
    }
  }
}

TEST_F(CpuPrimitivesTest, NormOfNotANumberIsNotANumber) {
  std::vector<float> filter{1, std::numeric_limits<float>::quiet_NaN(), 2};
  for (const FilterNorm norm : {FilterNorm::l1, FilterNorm::l2}) {
    double result = 0;
    const NormRequest request{Tensor(filter.data(), DType::f32, {1, 3}), &result};
    primitives_.filter_norms(*stream_, norm, {&request, 1});
    EXPECT_TRUE(std::isnan(result));
  }
}

// ---- redundancy

struct Maps {
  std::int64_t images, height, width, channels, leading;
};

struct Redundancy {
  std::vector<double> sum, constant;
};

// Every pair's Pearson correlation by its definition.
template <class T>
Redundancy expected_redundancy(const std::vector<T>& values, const Maps& maps, std::int64_t images,
                               CorrelationKind kind) {
  const std::int64_t positions = maps.height * maps.width;
  Redundancy result{std::vector<double>(static_cast<std::size_t>(maps.channels), 0.0), {}};
  result.constant = result.sum;
  const auto value = [&](std::int64_t n, std::int64_t t, std::int64_t c) {
    return static_cast<long double>(values[static_cast<std::size_t>((n * positions + t) * maps.leading + c)]);
  };
  for (std::int64_t n = 0; n < images; ++n) {
    std::vector<long double> mean(static_cast<std::size_t>(maps.channels), 0.0L);
    std::vector<bool> constant(mean.size(), true);
    for (std::int64_t c = 0; c < maps.channels; ++c) {
      for (std::int64_t t = 0; t < positions; ++t) {
        mean[static_cast<std::size_t>(c)] += value(n, t, c) / static_cast<long double>(positions);
        if (value(n, t, c) != value(n, 0, c)) constant[static_cast<std::size_t>(c)] = false;
      }
      if (constant[static_cast<std::size_t>(c)]) result.constant[static_cast<std::size_t>(c)] += 1;
    }
    for (std::int64_t a = 0; a < maps.channels; ++a) {
      for (std::int64_t b = 0; b < maps.channels; ++b) {
        const auto i = static_cast<std::size_t>(a);
        const auto j = static_cast<std::size_t>(b);
        if (a == b || constant[i] || constant[j]) continue;
        long double product = 0;
        long double left = 0;
        long double right = 0;
        for (std::int64_t t = 0; t < positions; ++t) {
          const long double u = value(n, t, a) - mean[i];
          const long double v = value(n, t, b) - mean[j];
          product += u * v;
          left += u * u;
          right += v * v;
        }
        const auto rho = static_cast<double>(product / std::sqrt(left * right));
        result.sum[i] += kind == CorrelationKind::signed_mean     ? rho
                         : kind == CorrelationKind::absolute_mean ? std::abs(rho)
                                                                  : rho * rho;
      }
    }
  }
  return result;
}

template <class T>
Redundancy measured_redundancy(Primitives& primitives, Stream& stream, std::vector<T>& values,
                               const Maps& maps, std::int64_t images, CorrelationKind kind,
                               double start = 0) {
  Redundancy result{std::vector<double>(static_cast<std::size_t>(maps.channels), start), {}};
  result.constant = result.sum;
  const Tensor tensor(values.data(), DTypeOf<T>::value, {maps.images, maps.height, maps.width, maps.channels},
                      maps.leading);
  primitives.accumulate_redundancy(stream, kind, tensor, images, {result.sum.data(), result.constant.data()});
  return result;
}

constexpr CorrelationKind kKinds[]{CorrelationKind::signed_mean, CorrelationKind::absolute_mean,
                                   CorrelationKind::squared_mean};

template <class T>
void check_redundancy(Primitives& primitives, Stream& stream, const Maps& maps, double bound) {
  // Channels that share a part, about a mean that is far larger than their deviation.
  auto values = noise<T>(maps.images * maps.height * maps.width * maps.leading, 6, 30.0, 0.5);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] += static_cast<T>(std::sin(static_cast<double>(i) / 7));
  for (const CorrelationKind kind : kKinds) {
    const auto expected = expected_redundancy(values, maps, maps.images - 1, kind);
    const auto measured = measured_redundancy(primitives, stream, values, maps, maps.images - 1, kind, 2.0);
    for (std::size_t c = 0; c < expected.sum.size(); ++c) {
      EXPECT_NEAR(measured.sum[c], 2.0 + expected.sum[c], bound)
          << "channel " << c << " of " << maps.channels;
      EXPECT_EQ(measured.constant[c], 2.0 + expected.constant[c]);
    }
  }
}

TEST_F(CpuPrimitivesTest, SumsCorrelationsOfMaps) {
  for (const Maps& maps : {Maps{4, 5, 6, 16, 16}, Maps{3, 4, 4, 13, 16}, Maps{2, 1, 2, 3, 3},
                           Maps{3, 8, 8, 1, 1}, Maps{2, 3, 3, 8, 11}, Maps{2, 2, 2, 37, 40}}) {
    check_redundancy<float>(primitives_, *stream_, maps, 1e-10);
    check_redundancy<double>(primitives_, *stream_, maps, 1e-10);
  }
}

TEST_F(CpuPrimitivesTest, AConstantMapCorrelatesWithNothing) {
  // 0.1F everywhere: its mean over 49 positions is not 0.1F in every arithmetic.
  const Maps maps{2, 7, 7, 5, 5};
  auto values = noise<float>(2 * 49 * 5, 8);
  for (std::size_t t = 0; t < 98; ++t) {
    values[t * 5] = 0.1F;
    if (t < 49) values[t * 5 + 3] = 0.0F;
  }
  for (const CorrelationKind kind : kKinds) {
    const auto expected = expected_redundancy(values, maps, 2, kind);
    const auto measured = measured_redundancy(primitives_, *stream_, values, maps, 2, kind);
    EXPECT_EQ(measured.constant, (std::vector<double>{2, 0, 0, 1, 0}));
    EXPECT_EQ(measured.sum[0], 0.0);
    for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(measured.sum[c], expected.sum[c], 1e-12);
  }
}

TEST_F(CpuPrimitivesTest, CorrelationOfNotANumberIsNotANumber) {
  const Maps maps{1, 4, 4, 3, 3};
  auto values = noise<float>(48, 9);
  values[7] = std::numeric_limits<float>::quiet_NaN();  // channel 1
  for (const CorrelationKind kind : kKinds) {
    const auto measured = measured_redundancy(primitives_, *stream_, values, maps, 1, kind);
    EXPECT_TRUE(std::isnan(measured.sum[1]));
    EXPECT_EQ(measured.constant[1], 0.0);
  }
}

TEST_F(CpuPrimitivesTest, RedundancyDoesNotDependOnThreads) {
  const Maps maps{9, 8, 8, 20, 24};
  auto values = noise<float>(9 * 64 * 24, 10);
  const int threads = omp_get_max_threads();
  for (const CorrelationKind kind : kKinds) {
    omp_set_num_threads(1);
    const auto one = measured_redundancy(primitives_, *stream_, values, maps, 9, kind);
    omp_set_num_threads(3);
    const auto three = measured_redundancy(primitives_, *stream_, values, maps, 9, kind);
    omp_set_num_threads(threads);
    EXPECT_EQ(one.sum, three.sum);
  }
}

TEST_F(CpuPrimitivesTest, RefusesMoreImagesThanThereAre) {
  const Maps maps{2, 2, 2, 2, 2};
  auto values = noise<float>(16, 11);
  EXPECT_THROW(static_cast<void>(measured_redundancy(primitives_, *stream_, values, maps, 3, kKinds[0])),
               Error);
}

// ---- gather

template <class T>
void check_gather(Primitives& primitives, Stream& stream, DType type) {
  // [5, 3, 4] -> rows 4, 1, 1 of groups 0, 1, 1; columns differ by group.
  std::vector<T> source(60);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<T>(i);
  std::vector<T> out(3 * 3 * 2, T{99});
  const std::vector<std::int64_t> rows{4, 1, 1};
  const std::vector<std::int64_t> groups{0, 1, 1};
  const std::vector<std::int64_t> columns{0, 3, 2, 1};
  std::vector<T> plain(2, T{99});
  const std::vector<std::int64_t> plain_columns{59, 2};
  const std::vector<std::int64_t> first_row{0};
  const std::vector<GatherSegment> segments{
      {source.data(), out.data(), 3, 4, rows, groups, columns, 2},
      {source.data(), plain.data(), 1, 60, first_row, {}, plain_columns, 2},
  };
  primitives.gather(stream, type, segments);
  const std::vector<int> expected{48, 51, 52, 55, 56, 59, 14, 13, 18, 17, 22, 21, 14, 13, 18, 17, 22, 21};
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(static_cast<int>(out[i]), expected[i]) << i;
  EXPECT_EQ(static_cast<int>(plain[0]), 59);
  EXPECT_EQ(static_cast<int>(plain[1]), 2);
}

TEST_F(CpuPrimitivesTest, GathersElementsOfEveryWidth) {
  check_gather<std::uint8_t>(primitives_, *stream_, DType::u8);
  check_gather<std::uint16_t>(primitives_, *stream_, DType::bf16);
  check_gather<float>(primitives_, *stream_, DType::f32);
  check_gather<double>(primitives_, *stream_, DType::f64);
}

// ---- add

TEST_F(CpuPrimitivesTest, AddsWithAnyLeadingDimension) {
  constexpr std::int64_t kRows = 2 * 3 * 5;
  for (const std::array<std::int64_t, 3>& leading :
       {std::array<std::int64_t, 3>{6, 6, 6}, {8, 8, 8}, {6, 8, 9}}) {
    auto a = noise<float>(kRows * leading[0], 12);
    auto b = noise<float>(kRows * leading[1], 13);
    // Padding lanes hold zeros.
    const auto clear = [](std::vector<float>& values, std::int64_t width) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (static_cast<std::int64_t>(i) % width >= 6) values[i] = 0;
      }
    };
    clear(a, leading[0]);
    clear(b, leading[1]);
    std::vector<float> out(static_cast<std::size_t>(kRows * leading[2]), 77.0F);
    const Shape shape{2, 3, 5, 6};
    primitives_.add(*stream_, Tensor(a.data(), DType::f32, shape, leading[0]),
                    Tensor(b.data(), DType::f32, shape, leading[1]),
                    Tensor(out.data(), DType::f32, shape, leading[2]));
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::int64_t c = 0; c < leading[2]; ++c) {
        const float expected = c < 6 ? a[static_cast<std::size_t>(row * leading[0] + c)] +
                                           b[static_cast<std::size_t>(row * leading[1] + c)]
                                     : 0.0F;
        ASSERT_EQ(out[static_cast<std::size_t>(row * leading[2] + c)], expected) << row << ", " << c;
      }
    }
  }
}

TEST_F(CpuPrimitivesTest, AddsInPlace) {
  auto a = noise<double>(10000, 14);
  const auto before = a;
  const auto b = noise<double>(10000, 15);
  const Tensor left(a.data(), DType::f64, {100, 100});
  primitives_.add(*stream_, left, Tensor(const_cast<double*>(b.data()), DType::f64, {100, 100}), left);
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(a[i], before[i] + b[i]);
}

TEST_F(CpuPrimitivesTest, RefusesToAddDifferentShapes) {
  std::vector<float> values(6);
  const Tensor a(values.data(), DType::f32, {2, 3});
  const Tensor b(values.data(), DType::f32, {3, 2});
  EXPECT_THROW(primitives_.add(*stream_, a, b, a), Error);
}

// ---- all_finite

template <class T>
void check_finite(Primitives& primitives, Stream& stream, DType type) {
  using Limits = std::numeric_limits<T>;
  for (const std::int64_t count : {1, 7, 100001}) {
    std::vector<T> values(static_cast<std::size_t>(count), Limits::max());
    values.front() = Limits::denorm_min();
    EXPECT_TRUE(primitives.all_finite(stream, type, values.data(), count));
    for (const T bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), -Limits::quiet_NaN()}) {
      values.back() = bad;
      EXPECT_FALSE(primitives.all_finite(stream, type, values.data(), count)) << bad << " of " << count;
      EXPECT_TRUE(primitives.all_finite(stream, type, values.data(), count - 1));
    }
  }
  EXPECT_TRUE(primitives.all_finite(stream, type, nullptr, 0));
}

TEST_F(CpuPrimitivesTest, FindsWhatIsNotFinite) {
  check_finite<float>(primitives_, *stream_, DType::f32);
  check_finite<double>(primitives_, *stream_, DType::f64);
  EXPECT_THROW(static_cast<void>(primitives_.all_finite(*stream_, DType::i32, nullptr, 0)), Error);
}

}  // namespace
}  // namespace secateur
