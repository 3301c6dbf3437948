// A device with its primitives, for the tests of these.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/backend/primitives.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"
#include "secateur/core/slab.h"
#include "selftest/op_run.h"
#include "selftest/whole_model.h"

namespace secateur::selftest {

// Values go to the device in its own element type.
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

inline std::vector<double> noise(std::int64_t count, std::uint32_t key) {
  RandomSequence random(test_seed(), RngPurpose::test, key);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = rounded_to(DType::f32, random.normal());
  return values;
}

inline Bench reference_bench() { return Bench(make_host_device(DeviceKind::reference)); }

// On a device and on the reference; skipped where there is no such device.
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

inline std::string device_name(const ::testing::TestParamInfo<DeviceKind>& info) {
  return std::string(name_of(info.param));
}

}  // namespace secateur::selftest
