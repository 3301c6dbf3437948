#include "secateur/kernels/filter_norm.h"

#include <limits>

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

double norm_of(const double* weights, std::int64_t size, NormKind kind, bool per_weight) {
  double sum = 0;
  double squares = 0;
  double largest = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    sum += std::abs(weights[i]);
    squares += weights[i] * weights[i];
    largest = std::max(largest, std::abs(weights[i]));
  }
  double norm = sum;
  if (kind == NormKind::l2) norm = std::sqrt(squares);
  if (kind == NormKind::l2_squared) norm = squares;
  if (kind == NormKind::max) norm = largest;
  return per_weight && size > 0 ? norm / static_cast<double>(size) : norm;
}

struct Layer {
  std::int64_t filters;
  std::int64_t size;
  Placement placement;
};

// Odd sizes put every row at another offset from a 16-byte boundary.
const std::vector<Layer> kLayers = {
    {1, 1, Placement::exact},      {9, 27, Placement::misaligned}, {16, 144, Placement::aligned},
    {3, 1152, Placement::aligned}, {17, 5, Placement::begin},      {0, 12, Placement::aligned},
    {2, 0, Placement::aligned},    {5, 577, Placement::exact},     {8, 8, Placement::misaligned}};

TEST(FilterNorm, EveryKindMatchesItsFormulaOnAllLayersAtOnce) {
  for (const DType type : kAllTypes) {
    for (const NormKind kind : {NormKind::l1, NormKind::l2, NormKind::l2_squared, NormKind::max}) {
      for (const bool per_weight : {false, true}) {
        SCOPED_TRACE(std::string(name_of(type)) + " kind " + std::to_string(static_cast<int>(kind)));
        Random random;
        std::vector<MapBuffer> weights;
        std::vector<Array<double>> norms;
        std::vector<FilterNormSegment> segments;
        for (const Layer& layer : kLayers) {
          weights.emplace_back(type, layer.filters, layer.size, -1, layer.placement);
          weights.back().fill(random.normals(layer.filters * layer.size));
          norms.emplace_back(layer.filters);
        }
        for (std::size_t i = 0; i < kLayers.size(); ++i) {
          segments.push_back({norms[i].data(), weights[i].data(), kLayers[i].filters, kLayers[i].size});
        }
        ASSERT_TRUE(succeeded(filter_norm(segments.data(), static_cast<std::int64_t>(segments.size()), type,
                                          kind, per_weight, nullptr)));
        for (std::size_t i = 0; i < kLayers.size(); ++i) {
          const std::vector<double> values = weights[i].values();
          std::vector<double> expected;
          for (std::int64_t f = 0; f < kLayers[i].filters; ++f) {
            expected.push_back(
                norm_of(values.data() + f * kLayers[i].size, kLayers[i].size, kind, per_weight));
          }
          EXPECT_LE(relative_error(norms[i].values(), expected), 1e-6) << "layer " << i;
        }
      }
    }
  }
}

TEST(FilterNorm, MoreSegmentsThanOneLaunchTakes) {
  Random random;
  constexpr std::int64_t kCount = 1000;
  MapBuffer weights(DType::f32, kCount, 3);
  weights.fill(random.normals(kCount * 3));
  Array<double> norms(kCount);
  std::vector<FilterNormSegment> segments;
  for (std::int64_t i = 0; i < kCount; ++i) {
    segments.push_back({norms.data() + i, static_cast<float*>(weights.data()) + 3 * i, 1, 3});
  }
  ASSERT_TRUE(succeeded(filter_norm(segments.data(), kCount, DType::f32, NormKind::l1, false, nullptr)));
  std::vector<double> expected;
  const std::vector<double> values = weights.values();
  for (std::size_t i = 0; i < kCount; ++i)
    expected.push_back(norm_of(&values[3 * i], 3, NormKind::l1, false));
  EXPECT_LE(relative_error(norms.values(), expected), 1e-6);
}

TEST(FilterNorm, NotANumberAndInfinityShow) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  for (const NormKind kind : {NormKind::l1, NormKind::l2, NormKind::l2_squared, NormKind::max}) {
    for (std::size_t place = 0; place < 37; ++place) {
      std::vector<double> values(3 * 37, 1.0);
      values[place] = kNan;
      values[37 + place] = -INFINITY;
      MapBuffer weights(DType::f16, 3, 37);
      weights.fill(values);
      Array<double> norms(3);
      const FilterNormSegment segment{norms.data(), weights.data(), 3, 37};
      ASSERT_TRUE(succeeded(filter_norm(&segment, 1, DType::f16, kind, true, nullptr)));
      EXPECT_TRUE(std::isnan(norms.values()[0])) << "place " << place;
      EXPECT_EQ(norms.values()[1], INFINITY);
      EXPECT_TRUE(std::isfinite(norms.values()[2]));
    }
  }
}

TEST(FilterNorm, RefusesWhatBreaksTheContract) {
  Array<double> norms(4);
  MapBuffer weights(DType::f32, 4, 4);
  FilterNormSegment segment{norms.data(), weights.data(), 4, 4};
  const auto call = [&](DType type) { return filter_norm(&segment, 1, type, NormKind::l1, false, nullptr); };
  EXPECT_TRUE(refused(call(static_cast<DType>(9)), "element type"));
  segment.num_filters = -1;
  EXPECT_TRUE(refused(call(DType::f32), "num_filters must not be negative, is -1"));
  segment.num_filters = std::int64_t{1} << 40;
  segment.filter_size = std::int64_t{1} << 40;
  EXPECT_TRUE(refused(call(DType::f32), "overflow"));
  segment = {norms.data(), nullptr, 4, 4};
  EXPECT_TRUE(refused(call(DType::f32), "filters is null"));
  segment = {nullptr, weights.data(), 4, 4};
  EXPECT_TRUE(refused(call(DType::f32), "norms is null"));
  segment = {norms.data(), static_cast<char*>(weights.data()) + 1, 4, 4};
  EXPECT_TRUE(refused(call(DType::f32), "not aligned"));
  EXPECT_TRUE(refused(filter_norm(nullptr, 1, DType::f32, NormKind::l1, false, nullptr), "segments is null"));
  EXPECT_TRUE(succeeded(filter_norm(nullptr, 0, DType::f32, NormKind::l1, false, nullptr)));
}

}  // namespace
}  // namespace secateur::kernels::test
