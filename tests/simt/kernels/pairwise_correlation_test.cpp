#include "secateur/kernels/pairwise_correlation.h"

#include "kernel_test.h"
#include "paper_formula.h"
#include "secateur/kernels/redundancy.h"

namespace secateur::kernels::test {
namespace {

constexpr CorrelationKind kKinds[] = {CorrelationKind::signed_value, CorrelationKind::absolute,
                                      CorrelationKind::squared};
constexpr CorrelationArithmetic kArithmetics[] = {CorrelationArithmetic::fp32,
                                                  CorrelationArithmetic::tensor_core};

Reduction reduction_of(CorrelationKind kind) {
  return kind == CorrelationKind::signed_value ? Reduction::signed_value
         : kind == CorrelationKind::absolute   ? Reduction::absolute
                                               : Reduction::squared;
}

struct Result {
  std::vector<double> matrix;
  std::vector<double> constant;
  std::vector<double> row_sums;
};

Result correlate(const MapBuffer& maps, const MapShape& shape, CorrelationKind kind,
                 CorrelationArithmetic arithmetic, std::int64_t batch) {
  const Array<float> matrix(
      std::vector<float>(static_cast<std::size_t>(shape.channels * shape.channels), 0.0F));
  const std::vector<double> zeros(static_cast<std::size_t>(shape.channels), 0.0);
  const Array<double> constant(zeros);
  const Array<double> sums(zeros);
  for (std::int64_t first = 0; first < shape.images; first += batch) {
    MapShape part = shape;
    part.images = std::min(batch, shape.images - first);
    const Array<char> workspace((pairwise_correlation_workspace(part) + 31) / 32 * 32);
    const auto* data =
        static_cast<const char*>(maps.data()) + first * shape.positions * shape.ld * size_of(shape.type);
    EXPECT_TRUE(succeeded(pairwise_correlation(matrix.data(), constant.data(), data, part, kind, arithmetic,
                                               workspace.data(), workspace.bytes(), nullptr)));
  }
  EXPECT_TRUE(succeeded(correlation_row_sums(sums.data(), matrix.data(), shape.channels, nullptr)));
  return {matrix.doubles(), constant.values(), sums.values()};
}

double tolerance(CorrelationArithmetic arithmetic, std::int64_t positions) {
  return arithmetic == CorrelationArithmetic::fp32 ? 3e-6 : 2e-3 / std::sqrt(static_cast<double>(positions));
}

void expect_paper(DType type, const Layout& layout, const std::vector<double>& values, std::int64_t images,
                  std::int64_t positions, std::int64_t channels, CorrelationKind kind,
                  CorrelationArithmetic arithmetic) {
  SCOPED_TRACE(describe(type, layout) + ", C " + std::to_string(channels) + ", kind " +
               std::to_string(static_cast<int>(kind)) + ", arithmetic " +
               std::to_string(static_cast<int>(arithmetic)));
  MapBuffer maps(type, images * positions, channels, channels + layout.extra_ld, layout.placement);
  maps.fill(values);
  const PaperFormula paper(maps.values(), images, positions, channels, reduction_of(kind));
  const Result result = correlate(maps, {type, images, positions, channels, maps.ld()}, kind, arithmetic,
                                  std::max(images - 1, 1L));
  EXPECT_EQ(result.constant, paper.constant_images());
  const double bound = tolerance(arithmetic, positions) * static_cast<double>(images);
  for (std::size_t i = 0; i < result.matrix.size(); ++i) {
    ASSERT_NEAR(result.matrix[i], paper.matrix()[i], bound) << "element " << i;
  }
  for (std::int64_t f = 0; f < channels; ++f) {
    const auto diagonal = static_cast<std::size_t>(f * channels + f);
    EXPECT_EQ(result.matrix[diagonal],
              static_cast<double>(images) - result.constant[static_cast<std::size_t>(f)]);
    for (std::int64_t k = 0; k < f; ++k) {
      EXPECT_EQ(result.matrix[static_cast<std::size_t>(f * channels + k)],
                result.matrix[static_cast<std::size_t>(k * channels + f)]);
    }
    EXPECT_NEAR(result.row_sums[static_cast<std::size_t>(f)], paper.sums()[static_cast<std::size_t>(f)],
                bound * static_cast<double>(channels));
  }
}

// Random maps; every seventh constant in the first image only.
std::vector<double> some_maps(std::int64_t images, std::int64_t positions, std::int64_t channels) {
  Random random;
  std::vector<double> values = random.normals(images * positions * channels, 0.7, 1.3);
  for (std::int64_t t = 0; t < positions; ++t) {
    for (std::int64_t c = 6; c < channels; c += 7) values[static_cast<std::size_t>(t * channels + c)] = 0.25;
  }
  return values;
}

TEST(PairwiseCorrelation, EqualsThePaperInEveryLayout) {
  for (const DType type : kAllTypes) {
    for (const Layout& layout : all_layouts()) {
      for (const CorrelationArithmetic arithmetic : kArithmetics) {
        expect_paper(type, layout, some_maps(2, 21, 11), 2, 21, 11, CorrelationKind::signed_value,
                     arithmetic);
      }
    }
  }
}

TEST(PairwiseCorrelation, EveryKindOverSeveralTilesAndChunks) {
  for (const CorrelationKind kind : kKinds) {
    for (const CorrelationArithmetic arithmetic : kArithmetics) {
      expect_paper(DType::f32, {}, some_maps(3, 40, 72), 3, 40, 72, kind, arithmetic);
    }
  }
}

TEST(PairwiseCorrelation, DuplicatedAndOppositeMaps) {
  Random random;
  std::vector<double> values;
  for (int t = 0; t < 2 * 33; ++t) {
    const double a = random.normal();
    values.insert(values.end(), {a, a, -2 * a + 1, 0.1});
  }
  for (const CorrelationKind kind : kKinds) {
    MapBuffer maps(DType::f32, 2 * 33, 4);
    maps.fill(values);
    const Result result = correlate(maps, {DType::f32, 2, 33, 4, 4}, kind, CorrelationArithmetic::fp32, 2);
    EXPECT_NEAR(result.matrix[1], 2.0, 1e-5);
    EXPECT_NEAR(result.matrix[2], kind == CorrelationKind::signed_value ? -2.0 : 2.0, 1e-5);
    EXPECT_EQ(result.matrix[3], 0.0);
    EXPECT_EQ(result.matrix[15], 0.0);
    EXPECT_EQ(result.constant, (std::vector<double>{0, 0, 0, 2}));
  }
}

TEST(PairwiseCorrelation, AgreesWithTheLinearTimeIdentity) {
  constexpr std::int64_t kChannels = 70;
  MapBuffer maps(DType::f16, 3 * 25, kChannels);
  maps.fill(some_maps(3, 25, kChannels));
  const MapShape shape{DType::f16, 3, 25, kChannels, kChannels};
  const Result result = correlate(maps, shape, CorrelationKind::signed_value, CorrelationArithmetic::fp32, 3);
  const std::vector<double> zeros(kChannels, 0.0);
  const Array<double> sums(zeros);
  const Array<double> constant(zeros);
  const Array<char> workspace(redundancy_workspace(shape));
  ASSERT_TRUE(succeeded(redundancy(sums.data(), constant.data(), maps.data(), shape, workspace.data(),
                                   workspace.bytes(), nullptr)));
  EXPECT_EQ(constant.values(), result.constant);
  EXPECT_LE(relative_error(sums.values(), result.row_sums), 1e-5);
}

TEST(PairwiseCorrelation, BadValuesStayInTheirRowAndColumn) {
  Random random;
  std::vector<double> values = random.normals(20 * 5);
  values[13] = NAN;  // channel 3
  for (const CorrelationArithmetic arithmetic : kArithmetics) {
    MapBuffer maps(DType::f32, 20, 5);
    maps.fill(values);
    const Result result =
        correlate(maps, {DType::f32, 1, 20, 5, 5}, CorrelationKind::absolute, arithmetic, 1);
    for (std::size_t i = 0; i < 25; ++i) {
      EXPECT_EQ(std::isnan(result.matrix[i]), i % 5 == 3 || i / 5 == 3) << "element " << i;
    }
  }
}

TEST(PairwiseCorrelation, RefusesWhatBreaksTheContract) {
  MapBuffer maps(DType::f32, 4, 4);
  Array<float> matrix(16);
  MapShape shape{DType::f32, 1, 4, 4, 4};
  const Array<char> workspace(pairwise_correlation_workspace(shape));
  const auto call = [&](float* out, std::int64_t bytes) {
    return pairwise_correlation(out, nullptr, maps.data(), shape, CorrelationKind::squared,
                                CorrelationArithmetic::fp32, workspace.data(), bytes, nullptr);
  };
  EXPECT_TRUE(refused(call(nullptr, workspace.bytes()), "matrix is null"));
  EXPECT_TRUE(refused(call(matrix.data(), workspace.bytes() - 1), "workspace has"));
  shape.ld = 3;
  EXPECT_TRUE(refused(call(matrix.data(), workspace.bytes()), "leading dimension"));
  EXPECT_TRUE(refused(correlation_row_sums(nullptr, matrix.data(), 4, nullptr), "sums is null"));
  shape = {DType::f32, 0, 4, 4, 4};
  EXPECT_TRUE(succeeded(call(nullptr, 0)));
}

}  // namespace
}  // namespace secateur::kernels::test
