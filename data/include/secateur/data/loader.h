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
//
// Normalisation: (pixel / 255 - mean[c]) / deviation[c], computed in double for each of the 256 values and
// rounded to the tensor's type. Without it: pixel / 255.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "secateur/data/dataset.h"
#include "secateur/train/batch_source.h"

namespace secateur::data {

struct LoaderOptions {
  bool shuffle = false;
  bool augment = false;      // padded random crop, and mirroring where `flip` is on
  std::int64_t padding = 4;  // pixels on each side, of the crop
  bool flip = true;          // mirror half of the images; off for data where left and right differ
  bool normalize = true;     // with the set's channel statistics
  std::uint64_t seed = 0;
};

// Recipes: training data as the field trains on it, and data as it is.
[[nodiscard]] LoaderOptions training_options(std::uint64_t seed);
[[nodiscard]] LoaderOptions evaluation_options();

class Loader final : public BatchSource {
 public:
  // Throws Error for an empty set, a negative padding, or a set of 2^32 samples or more.
  Loader(ImageSet set, const LoaderOptions& options);

  [[nodiscard]] std::int64_t size() const override { return set_.size(); }
  [[nodiscard]] MapShape image_shape() const override { return set_.image_shape(); }
  [[nodiscard]] std::int64_t num_classes() const override { return set_.num_classes(); }
  void begin_epoch(std::int64_t epoch) override;
  // On an accelerator the batch is made in pageable host memory and copied to the device.
  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) override;

  [[nodiscard]] const ImageSet& set() const { return set_; }
  // Position in the set of the epoch's i-th sample.
  [[nodiscard]] std::int64_t position(std::int64_t i) const { return order_[static_cast<std::size_t>(i)]; }

 private:
  struct Crop;

  [[nodiscard]] Crop draw_crop(std::int64_t position) const;
  template <class T>
  void write_image(std::int64_t position, const std::vector<T>& table, T* output, std::int64_t leading) const;
  void write_batch(std::int64_t first, std::int64_t count, const Tensor& images, std::int32_t* labels) const;

  ImageSet set_;
  LoaderOptions options_;
  std::uint32_t epoch_ = 0;
  std::vector<std::int64_t> order_;
  // Value of pixel v in channel c at [c * 256 + v].
  std::vector<float> table_f32_;
  std::vector<double> table_f64_;
  std::vector<std::uint16_t> table_f16_;
  std::vector<std::uint16_t> table_bf16_;
  std::vector<std::byte> staged_images_;
  std::vector<std::int32_t> staged_labels_;
};

// Throws Error unless images and labels can take `count` samples of the source from `first` on: range, type,
// shape.
void check_batch(const BatchSource& source, std::int64_t first, std::int64_t count, const Tensor& images,
                 const Tensor& labels);

// `count` samples of `training` to score a pruning round by: positions drawn without replacement
// (RngPurpose::scoring_sample, round). Throws Error when there are fewer than `count`.
[[nodiscard]] std::vector<std::int64_t> draw_scoring_sample(const ImageSet& training, std::int64_t count,
                                                            std::uint64_t seed, std::int64_t round);

// A Loader over such a sample, normalised and neither shuffled nor augmented.
[[nodiscard]] Loader make_scoring_loader(const ImageSet& training, std::int64_t count, std::uint64_t seed,
                                         std::int64_t round);

}  // namespace secateur::data
