// ImageLoader: batches from a set of encoded images, decoded, cropped and scaled by several threads.
//
// Augmented: a random resized crop (transforms.h), mirrored half of the time, jittered where that is asked
// for; drawn from RandomSequence(seed, RngPurpose::augmentation, epoch, sample's index in the full set): the
// crop, a bit that mirrors, the jitter. Else: the shorter side scaled, and the central crop. Order as
// Loader's. Nothing depends on the number of threads.
//
// An image that cannot be decoded is reported once (log_line) and counted. Where the order is shuffled the
// next one of the epoch's order that can be takes its place; else its place is of the set's mean colour under
// its own label, so that an evaluation counts it as not recognised.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "secateur/data/loader.h"

namespace secateur::data {

class ImageLoader final : public PixelSource {
 public:
  // Throws Error for an empty set, one that is not encoded or not square or not of three channels, one of
  // 2^32 samples or more, and for options out of range.
  ImageLoader(ImageSet set, const LoaderOptions& options);
  ~ImageLoader() override;

  [[nodiscard]] std::int64_t size() const override { return set_.size(); }
  [[nodiscard]] MapShape image_shape() const override { return {side_, side_, 3}; }
  [[nodiscard]] std::int64_t num_classes() const override { return set_.num_classes(); }
  // Throws Error for a side below 8 or above that of the set's images.
  void set_image_size(std::int64_t side) override;
  void begin_epoch(std::int64_t epoch) override;
  // Throws Error for an image that cannot be decoded where the options are strict, and for 64 such in a row.
  void fill_pixels(std::int64_t first, std::int64_t count, std::span<std::uint8_t> pixels,
                   std::span<std::int32_t> labels) override;

  // Images that could not be decoded, since construction, each counted once.
  [[nodiscard]] std::int64_t bad_images() const;

 private:
  class Workers;

  void load(std::int64_t i, std::uint8_t* pixels, std::int32_t& label);
  void decode(std::int64_t position, std::uint8_t* pixels) const;

  ImageSet set_;
  LoaderOptions options_;
  std::int64_t side_;  // of the images that are made
  std::uint32_t epoch_ = 0;
  std::vector<std::int64_t> order_;
  std::unique_ptr<Workers> workers_;
};

}  // namespace secateur::data
