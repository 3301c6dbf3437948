// The batches of a set that lies on the device are those of a Loader: bit for bit on the CPU, and up to the
// rounding of the normalisation on a GPU (this file is part of the tests of a simulated one, too).
#include "secateur/data/resident_loader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/data_fixtures.h"
#include "secateur/core/host_values.h"
#include "selftest/op_run.h"

namespace secateur::data {
namespace {

class ResidentLoaderOn : public ::testing::TestWithParam<DeviceKind> {
 public:
  void SetUp() override {
    device_ = selftest::open_test_device(GetParam());
    if (device_ == nullptr) GTEST_SKIP() << "there is no device of kind " << name_of(GetParam());
    stream_ = device_->make_stream();
  }

  // A batch on the device, read back.
  struct DeviceBatch {
    DeviceBatch(Device& device, std::int64_t count, const MapShape& shape, std::int64_t leading)
        : memory(device, count * shape.positions() * leading * 4 + count * 4),
          images(memory.data(), DType::f32, shape.batched(count), leading),
          labels(memory.at(count * shape.positions() * leading * 4), DType::i32, {count}) {}
    Slab memory;
    Tensor images;
    Tensor labels;
  };

 protected:
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
};

TEST_P(ResidentLoaderOn, GivesTheBatchesOfALoader) {
  const ImageSet set =
      random_set(40, {6, 5, 3}).subset(std::vector<std::int64_t>{31, 2, 17, 8, 39, 25, 11, 12, 4, 0, 22});
  for (const bool augment : {false, true}) {
    const LoaderOptions options{.shuffle = true, .augment = augment, .padding = 2, .seed = 5};
    Loader plain(set, options);
    ResidentLoader resident(set, options, *stream_);
    Host host;
    for (const std::int64_t epoch : {0, 3, 1}) {
      plain.begin_epoch(epoch);
      resident.begin_epoch(epoch);
      for (std::int64_t first = 0; first < 11; first += 4) {
        const std::int64_t count = std::min<std::int64_t>(4, 11 - first);
        HostBatch<float> expected(count, {6, 5, 3}, 8);
        plain.fill(first, count, *host.stream, expected.images, expected.labels);
        const DeviceBatch found(*device_, count, {6, 5, 3}, 8);
        resident.fill(first, count, *stream_, found.images, found.labels);
        stream_->synchronize();
        const std::vector<double> pixels = read_values(found.images, *stream_);
        const std::vector<double> labels = read_values(found.labels, *stream_);
        for (std::size_t i = 0; i < pixels.size(); ++i) {
          const float value = expected.pixels[i / 3 * 8 + i % 3];
          ASSERT_NEAR(pixels[i], value, GetParam() == DeviceKind::cuda ? 2e-6 : 0) << i;
        }
        for (std::size_t i = 0; i < labels.size(); ++i) ASSERT_EQ(labels[i], expected.label_values[i]);
      }
    }
  }
}

// The place of a batch may be one that only the device knows.
TEST_P(ResidentLoaderOn, FillsAtAPlaceOnTheDevice) {
  ResidentLoader loader(random_set(11), {.shuffle = true, .augment = true, .padding = 1, .seed = 5},
                        *stream_);
  EXPECT_TRUE(loader.on_device());
  loader.begin_epoch(2);
  Slab memory(*device_, 256);
  const auto* place = reinterpret_cast<const std::int64_t*>(memory.data());
  const DeviceBatch expected(*device_, 4, {5, 4, 3}, 3);
  const DeviceBatch found(*device_, 4, {5, 4, 3}, 3);
  for (const std::int64_t first : {0, 4, 7}) {
    const std::int64_t offset = first / 2;  // as of a process that computes a later part of the batch
    const std::int64_t begin = first - offset;
    stream_->copy_to_device(memory.data(), &begin, sizeof(begin));
    loader.fill_at(place, offset, 4, *stream_, found.images, found.labels);
    loader.fill(first, 4, *stream_, expected.images, expected.labels);
    EXPECT_EQ(read_values(found.images, *stream_), read_values(expected.images, *stream_));
    EXPECT_EQ(read_values(found.labels, *stream_), read_values(expected.labels, *stream_));
  }
  Loader on_host(random_set(11), {});
  EXPECT_FALSE(on_host.on_device());
  EXPECT_NE(error_of([&] {
              on_host.fill_at(place, 0, 4, *stream_, found.images, found.labels);
            }).find("makes its batches on the host"),
            std::string::npos);
}

TEST_P(ResidentLoaderOn, GivesItsMemoryBackAndRefusesWhatDoesNotFit) {
  const std::int64_t before = device_->allocated_bytes();
  {
    ResidentLoader loader(random_set(10), training_options(1), *stream_);
    EXPECT_GE(device_->allocated_bytes() - before, 10 * 5 * 4 * 3);
    const DeviceBatch batch(*device_, 4, {5, 4, 3}, 3);
    EXPECT_NE(
        error_of([&] { loader.fill(8, 4, *stream_, batch.images, batch.labels); }).find("samples 8 .. 11"),
        std::string::npos);
  }
  EXPECT_EQ(device_->allocated_bytes(), before);
  EXPECT_THROW(ResidentLoader(random_set(10).subset({}), {}, *stream_), Error);
}

INSTANTIATE_TEST_SUITE_P(Devices, ResidentLoaderOn, ::testing::Values(DeviceKind::cpu, DeviceKind::cuda),
                         [](const auto& device) { return std::string(name_of(device.param)); });

}  // namespace
}  // namespace secateur::data
