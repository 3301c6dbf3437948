// ResidentLoader: a set that lies in the device's memory, as bytes. A batch is made there, in one kernel,
// from the indices of its samples; nothing is copied from the host between the beginnings of two epochs.
//
// Order, crops and mirroring are Loader's: the same batches, up to the rounding of the normalisation on a
// GPU.
#pragma once

#include <cstdint>

#include "secateur/core/slab.h"
#include "secateur/data/loader.h"

namespace secateur::data {

class ResidentLoader final : public BatchSource {
 public:
  // Copies the pixels of the full set (of which `set` may be a part) to the stream's device. The stream must
  // outlive the loader. Throws Error as Loader does, and when the device has no room.
  ResidentLoader(ImageSet set, const LoaderOptions& options, Stream& stream);

  [[nodiscard]] std::int64_t size() const override { return set_.size(); }
  [[nodiscard]] MapShape image_shape() const override { return set_.image_shape(); }
  [[nodiscard]] std::int64_t num_classes() const override { return set_.num_classes(); }
  void begin_epoch(std::int64_t epoch) override;
  // On the stream's own device.
  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) override;
  [[nodiscard]] bool on_device() const override { return true; }
  void fill_at(const std::int64_t* first, std::int64_t offset, std::int64_t count, Stream& stream,
               const Tensor& images, const Tensor& labels) override;

 private:
  // The batch that begins at `place` of the epoch, counted from the place on the device if there is one.
  void load(std::int64_t place, const std::int64_t* place_on_device, std::int64_t count, Stream& stream,
            const Tensor& images, const Tensor& labels);

  ImageSet set_;
  LoaderOptions options_;
  ChannelStatistics normalization_;
  Stream& stream_;
  Slab pixels_;
  Slab samples_;  // indices in the full set, in the epoch's order
  Slab labels_;   // likewise
  Slab epoch_;    // its number
};

}  // namespace secateur::data
