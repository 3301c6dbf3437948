// Batches that a thread prepares travel to the GPU from page-locked memory, on a stream of their own, and the
// thread that trains waits for nothing.
#include <gtest/gtest.h>

#include "data/data_fixtures.h"
#include "secateur/backend/open_device.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/data/loader.h"
#include "secateur/data/prefetch.h"
#include "simulated/transfers.h"

namespace secateur::data {
namespace {

constexpr MapShape kImage{6, 5, 3};
constexpr std::int64_t kBatch = 4;
constexpr std::int64_t kImages = 11;  // two batches and a rest

struct DeviceBatch {
  explicit DeviceBatch(Device& device)
      : memory(device, kBatch * kImage.count() * 4 + kBatch * 4),
        images(memory.data(), DType::f32, kImage.batched(kBatch)),
        labels(memory.at(kBatch * kImage.count() * 4), DType::i32, {kBatch}) {}
  Slab memory;
  Tensor images;
  Tensor labels;
};

TEST(BatchTransfer, RunsFromPinnedMemoryAndTheTrainingThreadWaitsForNothing) {
  const auto device = open_device(DeviceKind::cuda);
  const auto stream = device->make_stream();
  const ImageSet set = random_set(kImages, kImage);
  const LoaderOptions options = training_options(5);
  PrefetchingLoader loader(std::make_unique<Loader>(set, options));
  Loader plain(set, options);
  Host host;
  const DeviceBatch batch(*device);
  std::int64_t batches = 0;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    if (epoch == 1) {  // by now each of the two batches has its memory, and none is on its way
      simulated::reset_transfers();
      batches = 0;
    }
    loader.begin_epoch(epoch);
    plain.begin_epoch(epoch);
    for (std::int64_t first = 0; first < kImages; first += kBatch) {
      const std::int64_t count = std::min(kBatch, kImages - first);
      const std::int64_t waited = simulated::transfers().synchronizations;
      loader.fill(first, count, *stream, batch.images, batch.labels);
      EXPECT_EQ(simulated::transfers().synchronizations, waited) << "the training thread waited";
      ++batches;

      HostBatch<float> expected(count, kImage, 3);
      plain.fill(first, count, *host.stream, expected.images, expected.labels);
      const std::vector<double> pixels = read_values(batch.images, *stream);
      const std::vector<double> wanted = read_values(expected.images, *host.stream);
      for (std::size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(pixels[i], wanted[i], 1e-6) << i;
      const std::vector<double> labels = read_values(batch.labels, *stream);
      const std::vector<double> right = read_values(expected.labels, *host.stream);
      for (std::size_t i = 0; i < right.size(); ++i) EXPECT_EQ(labels[i], right[i]);
    }
  }
  const simulated::Transfers seen = simulated::transfers();
  EXPECT_EQ(seen.pageable_copies, 0);
  EXPECT_GE(seen.pinned_copies, batches);  // one a batch, and what was begun ahead of need
  EXPECT_LE(seen.pinned_copies, batches + 1);
  EXPECT_GE(seen.stream_waits, 2 * batches);  // the copy for the room, the step for the copy
}

// From one device to another and back: each batch goes where it is asked for.
TEST(BatchTransfer, ASourceServesOneDeviceAfterAnother) {
  const auto device = open_device(DeviceKind::cuda);
  const auto stream = device->make_stream();
  Loader loader(random_set(kImages, kImage), evaluation_options());
  Host host;
  HostBatch<float> on_host(kBatch, kImage, 3);
  {
    const DeviceBatch batch(*device);
    loader.fill(0, kBatch, *stream, batch.images, batch.labels);
    const std::vector<double> sent = read_values(batch.images, *stream);
    loader.fill(0, kBatch, *host.stream, on_host.images, on_host.labels);
    for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_NEAR(on_host.pixels[i], sent[i], 1e-6) << i;
    loader.fill(kBatch, kBatch, *stream, batch.images, batch.labels);
    EXPECT_NE(read_values(batch.images, *stream), sent);
  }
}

// A source without a thread sends its batches the same way.
TEST(BatchTransfer, EverySourceSendsFromPinnedMemory) {
  const auto device = open_device(DeviceKind::cuda);
  const auto stream = device->make_stream();
  Loader loader(random_set(kImages, kImage), evaluation_options());
  const DeviceBatch batch(*device);
  loader.fill(0, kBatch, *stream, batch.images, batch.labels);
  simulated::reset_transfers();
  const std::int64_t allocations = device->allocations();
  loader.fill(kBatch, kBatch, *stream, batch.images, batch.labels);
  EXPECT_EQ(simulated::transfers().pinned_copies, 1);
  EXPECT_EQ(simulated::transfers().pageable_copies, 0);
  EXPECT_EQ(device->allocations(), allocations);
}

TEST(BatchTransfer, AStreamWaitsForEventsOfItsOwnDeviceAlone) {
  const auto device = open_device(DeviceKind::cuda);
  const auto stream = device->make_stream();
  const auto foreign = make_host_device(DeviceKind::cpu)->make_event();
  EXPECT_THROW(stream->wait_for(*foreign), Error);
  const auto own = device->make_event();
  own->wait();  // nothing was recorded
  own->record(*stream);
  EXPECT_NO_THROW(stream->wait_for(*own));
}

}  // namespace
}  // namespace secateur::data
