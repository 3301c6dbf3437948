#include "secateur/kernels/sgd_momentum.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

struct Segment {
  std::int64_t rows;
  std::int64_t row_length;
  std::int64_t stored_length;  // of gradients and copy
  double weight_decay;
};

// Odd lengths and gaps, so that segments start at every alignment.
const std::vector<Segment> kSegments = {{16, 9, 9, 5e-4}, {7, 3, 8, 0.0}, {1, 5000, 5000, 1e-2},
                                        {1, 1, 1, 0.1},   {0, 4, 4, 0.1}, {4, 35, 40, 5e-4}};

struct Slabs {
  std::vector<SgdSegment> table;
  std::int64_t slab = 0;
  std::int64_t stored = 0;
};

Slabs lay_out(std::int64_t gap) {
  Slabs slabs;
  for (const Segment& s : kSegments) {
    slabs.table.push_back({slabs.slab, s.rows * s.row_length, s.row_length, slabs.stored, s.stored_length,
                           slabs.stored, s.stored_length, static_cast<float>(s.weight_decay)});
    slabs.slab += s.rows * s.row_length + gap;
    slabs.stored += s.rows * s.stored_length + gap;
  }
  return slabs;
}

void check(DType gradient_type, DType copy_type, bool with_copy, bool nesterov, std::int64_t gap) {
  SCOPED_TRACE(std::string(name_of(gradient_type)) + " -> " + name_of(copy_type) + ", gap " +
               std::to_string(gap) + (nesterov ? ", nesterov" : "") + (with_copy ? ", copy" : ""));
  const Slabs slabs = lay_out(gap);
  Random random;
  MapBuffer weights(DType::f32, 1, slabs.slab);
  MapBuffer momentum(DType::f32, 1, slabs.slab);
  MapBuffer gradients(gradient_type, 1, slabs.stored);
  MapBuffer copy(copy_type, 1, slabs.stored);
  weights.fill(random.normals(slabs.slab));
  momentum.fill(random.normals(slabs.slab));
  gradients.fill(random.normals(slabs.stored, 0, 4));
  const std::vector<double> fill(static_cast<std::size_t>(slabs.stored), -77.0);
  copy.fill(fill);
  const Array<SgdStep> step(std::vector<SgdStep>{{0.05F, 0.9F, 0.25F, nesterov ? 1 : 0}});
  const Array<std::int32_t> skip(std::vector<std::int32_t>{0});

  std::vector<double> w = weights.values();
  std::vector<double> v = momentum.values();
  std::vector<double> c = fill;
  const std::vector<double> g = gradients.values();
  for (const SgdSegment& s : slabs.table) {
    for (std::int64_t i = 0; i < s.count; ++i) {
      const auto at = static_cast<std::size_t>(s.offset + i);
      const auto stored = static_cast<std::size_t>(s.gradient_offset + i / s.row_length * s.gradient_stride +
                                                   i % s.row_length);
      const double decayed = 0.25 * g[stored] + static_cast<double>(s.weight_decay) * w[at];
      v[at] = static_cast<double>(0.9F) * v[at] + decayed;
      w[at] -= static_cast<double>(0.05F) * (nesterov ? decayed + static_cast<double>(0.9F) * v[at] : v[at]);
      if (with_copy) c[stored] = w[at];
    }
  }
  const SgdSlab slab{static_cast<float*>(weights.data()),
                     static_cast<float*>(momentum.data()),
                     gradients.data(),
                     gradient_type,
                     with_copy ? copy.data() : nullptr,
                     copy_type};
  const auto count = static_cast<std::int64_t>(slabs.table.size());
  ASSERT_TRUE(succeeded(sgd_momentum(slab, slabs.table.data(), count, step.data(), skip.data(), nullptr)));
  EXPECT_LE(relative_error(weights.values(), w), 1e-6);
  EXPECT_LE(relative_error(momentum.values(), v), 1e-6);
  EXPECT_LE(relative_error(copy.values(), c), storage_tolerance(copy_type));

  // An overflow leaves everything as it is.
  *skip.data() = 1;
  const std::vector<double> before = weights.values();
  ASSERT_TRUE(succeeded(sgd_momentum(slab, slabs.table.data(), count, step.data(), skip.data(), nullptr)));
  EXPECT_EQ(weights.values(), before);
}

TEST(SgdMomentum, MatchesFloat64) {
  for (const DType type : kAllTypes) {
    for (const bool nesterov : {false, true}) {
      for (const std::int64_t gap : {0, 3, 8}) {
        check(type, type, true, nesterov, gap);
        check(type, DType::bf16, false, nesterov, gap);
      }
    }
  }
  check(DType::f32, DType::f16, true, false, 0);
}

TEST(SgdMomentum, AddsPenalties) {
  constexpr std::int64_t kCount = 1003;  // quads and a rest
  for (const std::int64_t offset : {0, 1}) {
    MapBuffer weights(DType::f32, 1, kCount + offset);
    MapBuffer momentum(DType::f32, 1, kCount + offset);
    MapBuffer gradients(DType::f32, 1, kCount + offset);
    MapBuffer decay(DType::f32, 1, kCount + offset);
    Random random;
    std::vector<double> w = random.normals(kCount + offset);
    w[5] = 0;
    weights.fill(w);
    momentum.fill(std::vector<double>(static_cast<std::size_t>(kCount + offset), 0.0));
    gradients.fill(random.normals(kCount + offset));
    decay.fill(random.normals(kCount + offset));
    const std::vector<double> g = gradients.values();
    const std::vector<double> d = decay.values();
    w = weights.values();
    for (std::size_t i = static_cast<std::size_t>(offset); i < w.size(); ++i) {
      const double sign = w[i] > 0 ? 1 : (w[i] < 0 ? -1 : 0);
      w[i] -= 0.5 * (g[i] + (0.125 + d[i]) * w[i] + 0.25 * sign);
    }
    const Array<SgdStep> step(std::vector<SgdStep>{{0.5F, 0.0F, 1.0F, 0}});
    const SgdSegment segment{
        .offset = offset, .count = kCount, .gradient_offset = offset, .weight_decay = 0.125F, .l1 = 0.25F};
    const SgdSlab slab{.weights = static_cast<float*>(weights.data()),
                       .momentum = static_cast<float*>(momentum.data()),
                       .gradients = gradients.data(),
                       .decay = static_cast<const float*>(decay.data())};
    ASSERT_TRUE(succeeded(sgd_momentum(slab, &segment, 1, step.data(), nullptr, nullptr)));
    EXPECT_LE(relative_error(weights.values(), w), 1e-6) << offset;
    EXPECT_NEAR(weights.values()[5], w[5], 1e-6) << "the sign of 0 is 0";
  }
}

TEST(SgdMomentum, LeavesWhatNoSegmentCovers) {
  MapBuffer weights(DType::f32, 1, 100);
  MapBuffer momentum(DType::f32, 1, 100);
  MapBuffer gradients(DType::f32, 1, 100);
  const std::vector<double> ones(100, 1.0);
  weights.fill(ones);
  momentum.fill(ones);
  gradients.fill(ones);
  const Array<SgdStep> step(std::vector<SgdStep>{SgdStep{}});
  const SgdSegment segment{10, 50, 50, 10, 50, 0, 50, 0.0F};
  const SgdSlab slab{static_cast<float*>(weights.data()),
                     static_cast<float*>(momentum.data()),
                     gradients.data(),
                     DType::f32,
                     nullptr,
                     DType::f32};
  ASSERT_TRUE(succeeded(sgd_momentum(slab, &segment, 1, step.data(), nullptr, nullptr)));
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(weights.values()[i] != 1.0, i >= 10 && i < 60) << i;
}

TEST(SgdMomentum, NotANumberReachesTheWeight) {
  MapBuffer data(DType::f32, 3, 8);
  std::vector<double> values(24, 1.0);
  values[16 + 5] = NAN;
  data.fill(values);
  auto* base = static_cast<float*>(data.data());
  const Array<SgdStep> step(std::vector<SgdStep>{SgdStep{}});
  const SgdSegment segment{0, 8, 8, 0, 8, 0, 8, 0.0F};
  ASSERT_TRUE(succeeded(sgd_momentum({base, base + 8, base + 16, DType::f32, nullptr, DType::f32}, &segment,
                                     1, step.data(), nullptr, nullptr)));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(std::isnan(base[i]), i == 5);
}

TEST(SgdMomentum, RefusesWhatBreaksTheContract) {
  MapBuffer data(DType::f32, 1, 8);
  auto* base = static_cast<float*>(data.data());
  const Array<SgdStep> step(1);
  const auto call = [&](const SgdSegment& segment, float* weights) {
    return sgd_momentum({weights, base, base, DType::f32, base, DType::f32}, &segment, 1, step.data(),
                        nullptr, nullptr);
  };
  EXPECT_TRUE(refused(call({0, -1, 1, 0, 1, 0, 1, 0}, base), "count must not be negative"));
  EXPECT_TRUE(refused(call({0, 8, 0, 0, 1, 0, 1, 0}, base), "row_length must be positive"));
  EXPECT_TRUE(refused(call({0, 8, 4, 0, 3, 0, 4, 0}, base), "gradient_stride"));
  EXPECT_TRUE(refused(call({0, 8, 4, 0, 4, 0, 3, 0}, base), "copy_stride"));
  EXPECT_TRUE(refused(call({0, 8, 4, 0, 4, 0, 4, 0}, nullptr), "weights is null"));
  EXPECT_TRUE(refused(sgd_momentum({}, nullptr, 1, step.data(), nullptr, nullptr), "segments is null"));
  EXPECT_TRUE(succeeded(sgd_momentum({}, nullptr, 0, nullptr, nullptr, nullptr)));
}

}  // namespace
}  // namespace secateur::kernels::test
