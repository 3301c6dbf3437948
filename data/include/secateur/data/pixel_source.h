// PixelSource: a BatchSource that makes its batches as 8-bit pixels. They travel to the device as they are
// and are normalised there, in one place for every data set: (pixel / 255 - mean[c]) / deviation[c], in
// double on a host device and in float on a GPU, rounded to the tensor's type.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "secateur/core/slab.h"
#include "secateur/data/dataset.h"
#include "secateur/train/batch_source.h"

namespace secateur::data {

// A batch on the host, on its way to a device. Its memory is kept from batch to batch.
class PixelBatch {
 public:
  void resize(std::int64_t count, const MapShape& shape);
  [[nodiscard]] std::span<std::uint8_t> pixels() { return pixels_; }  // [count, H, W, C]
  [[nodiscard]] std::span<std::int32_t> labels() { return labels_; }  // [count]
  // Writes the batch to the device's tensors.
  void write(Stream& stream, const ChannelStatistics& normalization, const Tensor& images,
             const Tensor& labels);

 private:
  std::vector<std::uint8_t> pixels_;
  std::vector<std::int32_t> labels_;
  Slab on_device_;  // of the pixels, where the device is not the host
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
