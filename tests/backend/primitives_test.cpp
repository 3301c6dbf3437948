// The reference's primitives against tables made by hand, and every other device's against the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"
#include "secateur/core/slab.h"
#include "selftest/op_run.h"
#include "selftest/whole_model.h"

namespace secateur::selftest {
namespace {

// A device with its primitives; values go there in its own element type.
struct Bench {
  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> stream = device->make_stream();
  Primitives& primitives = primitives_of(device->kind());
  DType type = device->kind() == DeviceKind::reference ? DType::f64 : DType::f32;
  std::vector<Slab> slabs = {};

  explicit Bench(std::unique_ptr<Device> opened) : device(std::move(opened)) {}

  Tensor tensor(const Shape& shape, const std::vector<double>& values, std::int64_t lanes = 1) {
    Tensor result(nullptr, type, shape, align_up(shape.last(), lanes));
    std::vector<std::byte> bytes(static_cast<std::size_t>(result.stored_bytes()), std::byte{0});
    for (std::int64_t i = 0; i < shape.count(); ++i) {
      const std::int64_t place = i / shape.last() * result.leading + i % shape.last();
      encode_element(type, values.at(static_cast<std::size_t>(i)), bytes.data() + place * size_of(type));
    }
    slabs.emplace_back(*device, result.stored_bytes());
    result.data = slabs.back().data();
    stream->copy_to_device(result.data, bytes.data(), result.stored_bytes());
    stream->synchronize();
    return result;
  }

  std::vector<double> read(const Tensor& from) { return read_values(from, *stream); }

  // Sums of correlations, then how many images have a constant map, a channel each.
  std::vector<double> redundancy(CorrelationKind kind, const Tensor& maps, std::int64_t images) {
    const std::int64_t channels = maps.channels();
    const std::vector<double> zeros(static_cast<std::size_t>(2 * channels), 0.0);
    const std::int64_t bytes = 2 * channels * size_of(DType::f64);
    Slab sums(*device, bytes);
    stream->copy_to_device(sums.data(), zeros.data(), bytes);
    auto* first = reinterpret_cast<double*>(sums.data());
    primitives.accumulate_redundancy(*stream, kind, maps, images,
                                     {.redundancy_sum = first, .constant_images = first + channels});
    std::vector<double> result(zeros.size());
    stream->copy_to_host(result.data(), sums.data(), bytes);
    return result;
  }
};

std::vector<double> noise(std::int64_t count, std::uint32_t key) {
  RandomSequence random(test_seed(), RngPurpose::test, key);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = rounded_to(DType::f32, random.normal());
  return values;
}

Bench reference_bench() { return Bench(make_host_device(DeviceKind::reference)); }

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

class PrimitivesOnDevice : public ::testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    auto device = open_test_device(GetParam());
    if (device == nullptr) GTEST_SKIP() << "there is no device of kind " << name_of(GetParam());
    bench_.emplace(std::move(device));
  }

  // What both compute, as doubles.
  void expect_equal(const std::function<std::vector<double>(Bench&)>& compute, double bound) {
    SCOPED_TRACE(fmt::format("SECATEUR_TEST_SEED={}", test_seed()));
    EXPECT_LE(relative_error(compute(*bench_), compute(reference_)), bound);
  }

  Bench reference_ = reference_bench();
  std::optional<Bench> bench_;
};

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

// Bytes that cover all 256 values, on the device.
class DevicePixels {
 public:
  DevicePixels(Bench& bench, std::int64_t count)
      : pixels(static_cast<std::size_t>(count)), device_(*bench.device) {
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 5 + i / 256);
    memory_ = device_.allocate(count + kIndexBytes);
    bench.stream->copy_to_device(memory_, pixels.data(), count);
  }
  ~DevicePixels() { device_.release(memory_, static_cast<std::int64_t>(pixels.size()) + kIndexBytes); }
  DevicePixels(const DevicePixels&) = delete;
  DevicePixels& operator=(const DevicePixels&) = delete;
  [[nodiscard]] const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(memory_); }
  // Room for indices behind the pixels, whose number is a multiple of four.
  [[nodiscard]] std::int32_t* indices() const {
    return static_cast<std::int32_t*>(static_cast<void*>(static_cast<std::byte*>(memory_) + pixels.size()));
  }

  // Room for an epoch's number behind four indices.
  [[nodiscard]] std::uint32_t* epoch() const {
    return static_cast<std::uint32_t*>(static_cast<void*>(indices() + 4));
  }

  std::vector<std::uint8_t> pixels;

 private:
  static constexpr std::int64_t kIndexBytes = 64;
  Device& device_;
  void* memory_;
};

TEST_P(PrimitivesOnDevice, LoadImagesNormalises) {
  // Two of three images, in a row of 8 lanes.
  const DevicePixels source(*bench_, 2 * 6 * 8 * 3);
  const std::vector<double> mean{0.4, 0.5, 0.6};
  const std::vector<double> deviation{0.2, 0.25, 0.3};
  const Tensor images = bench_->tensor({3, 6, 8, 3}, std::vector<double>(432, -7.0), 8);
  bench_->primitives.load_images(*bench_->stream, source.data(), 2, mean, deviation, {}, images);
  const std::vector<double> found = bench_->read(Tensor(images.data, images.dtype, {3, 6, 8, 8}));
  for (std::size_t i = 0; i < 144 * 8; ++i) {
    const std::size_t c = i % 8;
    const bool written = i < 96 * 8;
    const double value =
        c < 3 && written ? (source.pixels[i / 8 * 3 + c] / 255.0 - mean[c]) / deviation[c] : 0.0;
    const double untouched = c < 3 ? -7.0 : found[i];
    ASSERT_NEAR(found[i], written ? value : untouched, 2e-6) << i;
  }
}

TEST_P(PrimitivesOnDevice, LoadImagesCropsAndMirrors) {
  constexpr std::int64_t kHeight = 6;
  constexpr std::int64_t kWidth = 5;
  const DevicePixels source(*bench_, 10 * kHeight * kWidth * 2);
  const std::vector<std::int32_t> samples{7, 0, 9, 7};
  bench_->stream->copy_to_device(source.indices(), samples.data(), 16);
  const std::uint32_t epoch = 3;
  bench_->stream->copy_to_device(source.epoch(), &epoch, sizeof(epoch));
  const ImageAugmentation augmentation{.samples = source.indices(),
                                       .padding = 2,
                                       .crop = true,
                                       .mirror = true,
                                       .seed = 11,
                                       .epoch = source.epoch()};
  const Tensor images = bench_->tensor({4, kHeight, kWidth, 2}, std::vector<double>(240, -7.0));
  bench_->primitives.load_images(*bench_->stream, source.data(), 4, std::vector<double>{0, 0},
                                 std::vector<double>{1, 1}, augmentation, images);
  const std::vector<double> found = bench_->read(images);
  std::size_t i = 0;
  for (const std::int32_t sample : samples) {
    RandomSequence random(11, RngPurpose::augmentation, 3, static_cast<std::uint32_t>(sample));
    const std::int64_t dy = random.below(5);
    const std::int64_t dx = random.below(5);
    const bool mirrored = random.next_u32() >> 31 == 1;
    for (std::int64_t y = 0; y < kHeight; ++y) {
      for (std::int64_t x = 0; x < kWidth; ++x) {
        const std::int64_t row = y + dy - 2;
        const std::int64_t column = (mirrored ? kWidth - 1 - x : x) + dx - 2;
        for (std::int64_t c = 0; c < 2; ++c, ++i) {
          const bool inside = row >= 0 && row < kHeight && column >= 0 && column < kWidth;
          const std::int64_t at = ((sample * kHeight + row) * kWidth + column) * 2 + c;
          ASSERT_NEAR(found[i], inside ? source.pixels[static_cast<std::size_t>(at)] / 255.0 : 0.0, 1e-6)
              << i;
        }
      }
    }
  }
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

std::string device_name(const ::testing::TestParamInfo<DeviceKind>& info) {
  return std::string(name_of(info.param));
}

INSTANTIATE_TEST_SUITE_P(Devices, PrimitivesOnDevice, ::testing::Values(DeviceKind::cpu, DeviceKind::cuda),
                         device_name);

}  // namespace
}  // namespace secateur::selftest
