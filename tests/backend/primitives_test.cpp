// Every device's primitives against the reference's.
#include <algorithm>
#include <cmath>

#include "backend/primitives_bench.h"

namespace secateur::selftest {
namespace {

TEST_P(PrimitivesOnDevice, Redundancy) {
  for (const auto kind :
       {CorrelationKind::signed_mean, CorrelationKind::absolute_mean, CorrelationKind::squared_mean}) {
    for (const std::int64_t channels : {1, 2, 7, 35, 64}) {
      SCOPED_TRACE(channels);
      std::vector<double> values = noise(3 * 6 * 5 * channels, 1);
      // A ReLU's maps: half of the values zero, some maps zero altogether.
      for (double& value : values) value = std::max(value, 0.0);
      for (std::int64_t p = 0; p < 30; ++p) values[static_cast<std::size_t>(p * channels + channels / 2)] = 0;
      expect_equal(
          [&](Bench& bench) {
            return bench.redundancy(kind, bench.tensor({3, 6, 5, channels}, values, 8), 2);
          },
          1e-6);
    }
  }
}

TEST_P(PrimitivesOnDevice, WeightUpdate) {
  const std::vector<UpdateSegment> segments{{0, 1000, 5e-4}, {1024, 61, 0.0}};
  for (const bool nesterov : {false, true}) {
    expect_equal(
        [&](Bench& bench) {
          const Tensor weights = bench.tensor({1100}, noise(1100, 2));
          const Tensor gradients = bench.tensor({1100}, noise(1100, 3));
          const Tensor momentum = bench.tensor({1100}, noise(1100, 4));
          bench.primitives.sgd_update(
              *bench.stream, bench.type, weights.data, gradients.data, momentum.data, segments,
              {.learning_rate = 0.1, .momentum = 0.9, .nesterov = nesterov, .gradient_scale = 0.25});
          std::vector<double> result = bench.read(weights);
          const std::vector<double> velocities = bench.read(momentum);
          result.insert(result.end(), velocities.begin(), velocities.end());
          return result;
        },
        1e-6);
  }
}

TEST_P(PrimitivesOnDevice, AverageUpdate) {
  for (const std::int64_t count : {7, 20011}) {
    expect_equal(
        [&](Bench& bench) {
          const Tensor averages = bench.tensor({20011}, noise(20011, 2));
          const Tensor values = bench.tensor({20011}, noise(20011, 3));
          bench.primitives.average_update(*bench.stream, bench.type, averages.data, values.data, count, 0.9);
          return bench.read(averages);
        },
        1e-6);
  }
}

TEST_P(PrimitivesOnDevice, WeightUpdateWithPenalties) {
  const std::vector<UpdateSegment> segments{{0, 1000, 5e-4, 0.25}, {1024, 61, 0.0}, {1090, 3, 0.0, 0.5}};
  for (const bool nesterov : {false, true}) {
    expect_equal(
        [&](Bench& bench) {
          std::vector<double> values = noise(1100, 2);
          values[7] = 0;  // where |w| has no slope
          const Tensor weights = bench.tensor({1100}, values);
          const Tensor gradients = bench.tensor({1100}, noise(1100, 3));
          const Tensor momentum = bench.tensor({1100}, noise(1100, 4));
          const Tensor decay = bench.tensor({1100}, noise(1100, 5));
          bench.primitives.sgd_update(
              *bench.stream, bench.type, weights.data, gradients.data, momentum.data, segments,
              {.learning_rate = 0.1, .momentum = 0.9, .nesterov = nesterov, .decay = decay.data});
          std::vector<double> result = bench.read(weights);
          const std::vector<double> velocities = bench.read(momentum);
          result.insert(result.end(), velocities.begin(), velocities.end());
          return result;
        },
        1e-6);
  }
}

TEST_P(PrimitivesOnDevice, FilterNorms) {
  for (const auto norm : {FilterNorm::l1, FilterNorm::l2, FilterNorm::max}) {
    expect_equal(
        [&](Bench& bench) {
          std::vector<double> norms(35 + 3);
          const std::vector<NormRequest> requests{
              {.filters = bench.tensor({35, 3, 3, 61}, noise(35 * 9 * 61, 5)), .norms = norms.data()},
              {.filters = bench.tensor({3, 7}, noise(21, 6)), .norms = norms.data() + 35}};
          bench.primitives.filter_norms(*bench.stream, norm, requests);
          return norms;
        },
        GetParam() == DeviceKind::cuda ? 1e-7 : 1e-12);
  }
}

TEST_P(PrimitivesOnDevice, Add) {
  for (const std::int64_t lanes : {1, 8}) {
    expect_equal(
        [&](Bench& bench) {
          const Tensor a = bench.tensor({2, 3, 4, 35}, noise(840, 7), lanes);
          const Tensor b = bench.tensor({2, 3, 4, 35}, noise(840, 8), lanes);
          const Tensor sum = bench.tensor({2, 3, 4, 35}, noise(840, 9), lanes);
          bench.primitives.add(*bench.stream, a, b, sum);
          bench.primitives.add(*bench.stream, sum, b, sum);
          return bench.read(sum);
        },
        1e-6);
  }
}

TEST_P(PrimitivesOnDevice, FillReachesPaddingLanes) {
  const Tensor filled = bench_->tensor({3, 5}, noise(15, 10), 8);
  bench_->primitives.fill(*bench_->stream, filled, -1.5);
  const Tensor all(filled.data, filled.dtype, {3, 8});
  EXPECT_EQ(bench_->read(all), std::vector<double>(24, -1.5));
}

TEST_P(PrimitivesOnDevice, AllFiniteFindsOneBadElement) {
  std::vector<double> values = noise(5000, 11);
  const auto finite = [&] {
    const Tensor tensor = bench_->tensor({5000}, values);
    return bench_->primitives.all_finite(*bench_->stream, bench_->type, tensor.data, 5000);
  };
  EXPECT_TRUE(finite());
  for (const double bad : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
    values[4999] = bad;
    EXPECT_FALSE(finite()) << bad;
  }
}

// Kept rows and columns of a filter bank, columns by the group of the row.
TEST_P(PrimitivesOnDevice, GatherFollowsRowsAndGroups) {
  const std::vector<std::int64_t> rows{0, 2, 5};
  const std::vector<std::int64_t> group{0, 0, 1};
  const std::vector<std::int64_t> columns{1, 3, 0, 2};
  const auto gathered = [&](Bench& bench) {
    const Tensor in = bench.tensor({6, 2, 4}, noise(48, 12));
    const Tensor out = bench.tensor({3, 2, 2}, std::vector<double>(12, 0.0));
    const GatherSegment segment{.source = in.data,
                                .destination = out.data,
                                .middle = 2,
                                .in_columns = 4,
                                .rows = rows,
                                .row_group = group,
                                .columns = columns,
                                .out_columns = 2};
    bench.primitives.gather(*bench.stream, bench.type, std::span(&segment, 1));
    return bench.read(out);
  };
  const std::vector<double> values = noise(48, 12);
  std::vector<double> expected;
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t m = 0; m < 2; ++m) {
      for (std::size_t j = 0; j < 2; ++j) {
        const auto column = static_cast<std::size_t>(columns[static_cast<std::size_t>(group[r]) * 2 + j]);
        expected.push_back(values[(static_cast<std::size_t>(rows[r]) * 2 + m) * 4 + column]);
      }
    }
  }
  EXPECT_EQ(gathered(*bench_), expected);
}

INSTANTIATE_TEST_SUITE_P(Devices, PrimitivesOnDevice, ::testing::Values(DeviceKind::cpu, DeviceKind::cuda),
                         device_name);

}  // namespace
}  // namespace secateur::selftest
