// Loader: batches from an ImageSet. Shuffling and augmentation depend only on (seed, epoch, sample), never on
// the order or the number of threads in which batches are asked for.
//
// Order of an epoch, when shuffled: RandomSequence(seed, RngPurpose::shuffle, epoch).permutation(size()).
//
// Augmentation of a sample (the CUDA kernel `augment` draws the same), from
// RandomSequence(seed, RngPurpose::augmentation, epoch, sample's index in the full set), always these three
// draws:
//   1. crop_y = below(2 * padding + 1)
//   2. crop_x = below(2 * padding + 1)
//   3. mirrored = next_u32() >> 31 (used when `flip` is on)
// output(y, x) = padded(crop_y + y, crop_x + (mirrored ? W - 1 - x : x)), where `padded` is the image with
// `padding` black pixels (value 0, before normalisation) on each side.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "secateur/data/dataset.h"
#include "secateur/data/pixel_source.h"
#include "secateur/data/transforms.h"

namespace secateur::data {

// Of encoded images alone (image_loader.h).
struct DecodingOptions {
  RandomCrop crop;           // where images are augmented
  ColorJitter jitter;        // likewise
  std::int64_t shorter = 0;  // where they are not: the shorter side is scaled to this before the central
                             // crop; 0: 8/7 of the crop's side (256 for 224), 1: no more than the crop needs
  std::int64_t threads = 0;  // that decode; 0: one a processor
  bool strict = false;       // an image that cannot be decoded throws, instead of being reported and replaced
};

struct LoaderOptions {
  bool shuffle = false;
  bool augment = false;      // random crop, and mirroring where `flip` is on
  std::int64_t padding = 4;  // of images in memory: black pixels on each side, for the crop
  bool flip = true;          // mirror half of the images; off for data where left and right differ
  bool normalize = true;     // with the set's channel statistics
  std::uint64_t seed = 0;
  DecodingOptions decoding = {};
};

// Recipes: training data as the field trains on it, and data as it is.
[[nodiscard]] LoaderOptions training_options(std::uint64_t seed);
[[nodiscard]] LoaderOptions evaluation_options();

// Samples of a set in memory.
class Loader final : public PixelSource {
 public:
  // Throws Error for an empty or an encoded set, a negative padding, or a set of 2^32 samples or more.
  Loader(ImageSet set, const LoaderOptions& options);

  [[nodiscard]] std::int64_t size() const override { return set_.size(); }
  [[nodiscard]] MapShape image_shape() const override { return set_.image_shape(); }
  [[nodiscard]] std::int64_t num_classes() const override { return set_.num_classes(); }
  void begin_epoch(std::int64_t epoch) override;
  void fill_pixels(std::int64_t first, std::int64_t count, std::span<std::uint8_t> pixels,
                   std::span<std::int32_t> labels) override;

  [[nodiscard]] const ImageSet& set() const { return set_; }
  // Position in the set of the epoch's i-th sample.
  [[nodiscard]] std::int64_t position(std::int64_t i) const { return order_[static_cast<std::size_t>(i)]; }

 private:
  struct Crop;

  [[nodiscard]] Crop draw_crop(std::int64_t position) const;
  void write_image(std::int64_t position, std::uint8_t* output) const;

  ImageSet set_;
  LoaderOptions options_;
  std::uint32_t epoch_ = 0;
  std::vector<std::int64_t> order_;
};

// The loader for a set: a Loader, or an ImageLoader where the images are encoded.
[[nodiscard]] std::unique_ptr<PixelSource> make_loader(const ImageSet& set, const LoaderOptions& options);

// Throws Error for what no loader of a set in memory takes: see Loader.
void check_loadable(const ImageSet& set, const LoaderOptions& options);

// The order of an epoch: positions in a set of `size` samples. Throws Error for an epoch out of range.
[[nodiscard]] std::vector<std::int64_t> epoch_order(std::int64_t size, bool shuffle, std::uint64_t seed,
                                                    std::int64_t epoch);

}  // namespace secateur::data
