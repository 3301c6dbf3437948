// PixelSource: a BatchSource that makes its batches as 8-bit pixels. They travel to the device as they are
// and are normalised there, in one place for every data set: (pixel / 255 - mean[c]) / deviation[c], in
// double on a host device and in float on a GPU, rounded to the tensor's type.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "secateur/core/host_buffer.h"
#include "secateur/core/slab.h"
#include "secateur/data/dataset.h"
#include "secateur/train/batch_source.h"

namespace secateur::data {

// A batch on its way to a device, in memory that is kept from batch to batch: reserve(), begin(), fill in
// pixels and labels, send(), write(). On a GPU the memory is page-locked and a stream of its own carries the
// bytes over beside the work of other streams; nothing but begin() waits, and that for the copy of the batch
// before.
class PixelBatch {
 public:
  // Room for `count` images. Takes memory, in the calling thread, where it has to grow.
  void reserve(Device& device, std::int64_t count, const MapShape& shape);
  // From here on the memory may be written: what was sent from it has arrived.
  void begin();
  [[nodiscard]] std::span<std::uint8_t> pixels() const;  // [count, H, W, C]
  [[nodiscard]] std::span<std::int32_t> labels() const;  // [count]
  // Sends the bytes on their way. Of another thread than write(), if need be.
  void send();
  // Writes the batch to tensors of the device.
  void write(Stream& stream, const ChannelStatistics& normalization, const Tensor& images,
             const Tensor& labels);

 private:
  [[nodiscard]] std::int64_t labels_offset() const;
  [[nodiscard]] std::int64_t bytes() const;

  Device* device_ = nullptr;
  std::int64_t count_ = 0;
  std::int64_t image_bytes_ = 0;
  HostBuffer host_;  // pixels, then labels
  Slab on_device_;   // likewise, where the device is not the host
  std::unique_ptr<Stream> copies_;
  std::unique_ptr<Event> sent_;  // on copies_: the bytes are there
  std::unique_ptr<Event> read_;  // on the stream of write(): they are used up
};

class PixelSource : public BatchSource {
 public:
  explicit PixelSource(ChannelStatistics normalization) : normalization_(std::move(normalization)) {}

  // Writes pixels [count, H, W, C] and labels [count] of samples first .. first + count - 1 of the epoch's
  // order, 0 <= first <= first + count <= size().
  virtual void fill_pixels(std::int64_t first, std::int64_t count, std::span<std::uint8_t> pixels,
                           std::span<std::int32_t> labels) = 0;
  [[nodiscard]] const ChannelStatistics& normalization() const { return normalization_; }

  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) final;

 private:
  ChannelStatistics normalization_;
  PixelBatch batch_;
};

// Statistics that leave pixel / 255 as it is.
[[nodiscard]] ChannelStatistics no_normalization(std::int64_t channels);

// Throws Error unless images and labels can take `count` samples of the source from `first` on: range, type,
// shape.
void check_batch(const BatchSource& source, std::int64_t first, std::int64_t count, const Tensor& images,
                 const Tensor& labels);

}  // namespace secateur::data
