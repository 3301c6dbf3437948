#include "secateur/kernels/weight_average.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

// Packs and a rest, at both alignments, over several blocks.
TEST(WeightAverage, MatchesFloat64) {
  for (const std::int64_t count : {1, 3, 4, 1023, 4096, 9001}) {
    for (const std::int64_t offset : {0, 1}) {
      Random random;
      MapBuffer averages(DType::f32, 1, count + offset + 1);
      MapBuffer values(DType::f32, 1, count + offset + 1);
      averages.fill(random.normals(count + offset + 1));
      values.fill(random.normals(count + offset + 1));
      std::vector<double> expected = averages.values();
      const std::vector<double> v = values.values();
      for (auto i = static_cast<std::size_t>(offset); i < static_cast<std::size_t>(offset + count); ++i) {
        expected[i] = 0.875 * expected[i] + 0.125 * v[i];
      }
      const Array<float> weight(std::vector<float>{0.125F});
      auto* a = static_cast<float*>(averages.data()) + offset;
      const auto* w = static_cast<const float*>(values.data()) + offset;
      ASSERT_TRUE(succeeded(weight_average(a, w, count, weight.data(), nullptr, nullptr)));
      EXPECT_LE(relative_error(averages.values(), expected), 1e-7) << count << " at " << offset;
      EXPECT_EQ(averages.values().back(), expected.back()) << "past the end";
      EXPECT_EQ(averages.values().front(), offset == 1 ? expected.front() : averages.values().front());
    }
  }
}

TEST(WeightAverage, SkipsWhereAnOverflowWasFound) {
  MapBuffer averages(DType::f32, 1, 10);
  MapBuffer values(DType::f32, 1, 10);
  averages.fill(std::vector<double>(10, 1.0));
  values.fill(std::vector<double>(10, 3.0));
  const Array<float> weight(std::vector<float>{0.5F});
  const Array<std::int32_t> skip(std::vector<std::int32_t>{1});
  auto* a = static_cast<float*>(averages.data());
  const auto* v = static_cast<const float*>(values.data());
  ASSERT_TRUE(succeeded(weight_average(a, v, 10, weight.data(), skip.data(), nullptr)));
  EXPECT_EQ(averages.values(), std::vector<double>(10, 1.0));
  *skip.data() = 0;
  ASSERT_TRUE(succeeded(weight_average(a, v, 10, weight.data(), skip.data(), nullptr)));
  EXPECT_EQ(averages.values(), std::vector<double>(10, 2.0));
}

TEST(WeightAverage, RefusesWhatBreaksTheContract) {
  float one = 1;
  EXPECT_TRUE(refused(weight_average(&one, &one, -1, &one, nullptr, nullptr), "count"));
  EXPECT_TRUE(refused(weight_average(nullptr, &one, 1, &one, nullptr, nullptr), "averages is null"));
  EXPECT_TRUE(refused(weight_average(&one, nullptr, 1, &one, nullptr, nullptr), "values is null"));
  EXPECT_TRUE(refused(weight_average(&one, &one, 1, nullptr, nullptr, nullptr), "weight is null"));
  EXPECT_TRUE(succeeded(weight_average(nullptr, nullptr, 0, nullptr, nullptr, nullptr)));
}

}  // namespace
}  // namespace secateur::kernels::test
