// The reference's primitives against tables made by hand.
#include <cmath>

#include "backend/primitives_bench.h"

namespace secateur::selftest {
namespace {

// Three positions. Channel 1 is channel 0 scaled and moved, channel 2 runs against it, channel 3 is constant,
// and channel 4 is orthogonal to channel 0.
TEST(ReferencePrimitives, CorrelationsByHand) {
  Bench bench = reference_bench();
  const Tensor maps = bench.tensor({1, 1, 3, 5}, {0, 5, 3, 0.1, 1,   //
                                                  1, 7, 2, 0.1, -2,  //
                                                  2, 9, 1, 0.1, 1});
  const std::vector<double> expected{0, 0, -2, 0, 0, 0, 0, 0, 1, 0};
  EXPECT_LE(relative_error(bench.redundancy(CorrelationKind::signed_mean, maps, 1), expected), 1e-12);
  const std::vector<double> expected_sizes{2, 2, 2, 0, 0, 0, 0, 0, 1, 0};
  EXPECT_LE(relative_error(bench.redundancy(CorrelationKind::absolute_mean, maps, 1), expected_sizes), 1e-12);
  EXPECT_LE(relative_error(bench.redundancy(CorrelationKind::squared_mean, maps, 1), expected_sizes), 1e-12);
}

// rho((0, 0, 1), (0, 1, 1)) = 1/2.
TEST(ReferencePrimitives, KindsOfCorrelationDiffer) {
  Bench bench = reference_bench();
  const Tensor maps = bench.tensor({2, 1, 3, 2}, {0, 0, 0, -1, 1, -1, 7, 7, 7, 7, 7, 7});
  EXPECT_LE(relative_error(bench.redundancy(CorrelationKind::signed_mean, maps, 1), {-0.5, -0.5, 0, 0}),
            1e-12);
  EXPECT_LE(relative_error(bench.redundancy(CorrelationKind::absolute_mean, maps, 1), {0.5, 0.5, 0, 0}),
            1e-12);
  EXPECT_LE(relative_error(bench.redundancy(CorrelationKind::squared_mean, maps, 2), {0.25, 0.25, 1, 1}),
            1e-12);
}

TEST(ReferencePrimitives, WeightUpdateByHand) {
  Bench bench = reference_bench();
  for (const bool nesterov : {false, true}) {
    const Tensor weights = bench.tensor({4}, {1, 2, 3, 4});
    const Tensor gradients = bench.tensor({4}, {1, 1, 1, 1});
    const Tensor momentum = bench.tensor({4}, {2, 2, 2, 2});
    const std::vector<UpdateSegment> segments{{1, 2, 0.5}};
    bench.primitives.sgd_update(*bench.stream, DType::f64, weights.data, gradients.data, momentum.data,
                                segments, {.learning_rate = 0.1, .momentum = 0.5, .nesterov = nesterov});
    // g' = 1 + 0.5 w = 2 and 2.5; v = 0.5 * 2 + g' = 3 and 3.5; Nesterov steps by g' + 0.5 v = 3.5 and 4.25.
    const std::vector<double> expected =
        nesterov ? std::vector<double>{1, 1.65, 2.575, 4} : std::vector<double>{1, 1.7, 2.65, 4};
    EXPECT_LE(relative_error(bench.read(weights), expected), 1e-15);
    EXPECT_EQ(bench.read(momentum), (std::vector<double>{2, 3, 3.5, 2}));
  }
}

TEST(ReferencePrimitives, PenaltiesOfTheWeightUpdateByHand) {
  Bench bench = reference_bench();
  const Tensor weights = bench.tensor({4}, {2, -2, 0, 4});
  const Tensor gradients = bench.tensor({4}, {1, 1, 1, 1});
  const Tensor momentum = bench.tensor({4}, {0, 0, 0, 0});
  const Tensor decay = bench.tensor({4}, {0.25, 0.5, 1, 9});
  const std::vector<UpdateSegment> segments{{0, 3, 0.5, 0.125}};
  bench.primitives.sgd_update(*bench.stream, DType::f64, weights.data, gradients.data, momentum.data,
                              segments, {.learning_rate = 1, .momentum = 0, .decay = decay.data});
  // g' = 1 + (0.5 + 0.25) * 2 + 0.125, 1 - (0.5 + 0.5) * 2 - 0.125, and 1: the sign of 0 is 0.
  EXPECT_EQ(bench.read(momentum), (std::vector<double>{2.625, -1.125, 1, 0}));
  EXPECT_EQ(bench.read(weights), (std::vector<double>{-0.625, -0.875, -1, 4}));
}

TEST(ReferencePrimitives, AverageUpdateByHand) {
  Bench bench = reference_bench();
  const Tensor averages = bench.tensor({3}, {1, 2, 3});
  const Tensor values = bench.tensor({3}, {5, 2, -1});
  bench.primitives.average_update(*bench.stream, DType::f64, averages.data, values.data, 2, 0.75);
  EXPECT_EQ(bench.read(averages), (std::vector<double>{2, 2, 3}));
}

TEST(ReferencePrimitives, FilterNormsByHand) {
  Bench bench = reference_bench();
  const Tensor filters = bench.tensor({2, 1, 1, 3}, {3, -4, 0, 1, -2, 2});
  const auto norms = [&](FilterNorm norm) {
    std::vector<double> result(2);
    const NormRequest request{.filters = filters, .norms = result.data()};
    bench.primitives.filter_norms(*bench.stream, norm, {&request, 1});
    return result;
  };
  EXPECT_EQ(norms(FilterNorm::l1), (std::vector<double>{7, 5}));
  EXPECT_EQ(norms(FilterNorm::l2), (std::vector<double>{5, 3}));
  EXPECT_EQ(norms(FilterNorm::max), (std::vector<double>{4, 2}));
}

// Two groups of two rows; the rows kept read the columns that their own group keeps.
TEST(ReferencePrimitives, GatherByHand) {
  Bench bench = reference_bench();
  const Tensor source = bench.tensor({4, 2, 3}, {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,  //
                                                 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23});
  const Tensor kept = bench.tensor({2, 2, 2}, std::vector<double>(8, -1));
  const std::vector<std::int64_t> rows{1, 2};
  const std::vector<std::int64_t> row_group{0, 1};
  const std::vector<std::int64_t> columns{0, 2, 2, 1};
  const GatherSegment segment{.source = source.data,
                              .destination = kept.data,
                              .middle = 2,
                              .in_columns = 3,
                              .rows = rows,
                              .row_group = row_group,
                              .columns = columns,
                              .out_columns = 2};
  bench.primitives.gather(*bench.stream, DType::f64, {&segment, 1});
  EXPECT_EQ(bench.read(kept), (std::vector<double>{6, 8, 9, 11, 14, 13, 17, 16}));
}

TEST(ReferencePrimitives, FindsWhatIsNotFinite) {
  Bench bench = reference_bench();
  for (const double last : {1.0, std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const Tensor values = bench.tensor({3}, {0, -1e300, last});
    EXPECT_EQ(bench.primitives.all_finite(*bench.stream, DType::f64, values.data, 3), last == 1.0);
    EXPECT_TRUE(bench.primitives.all_finite(*bench.stream, DType::f64, values.data, 2));
  }
}

}  // namespace
}  // namespace secateur::selftest
