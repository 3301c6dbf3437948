// ImageSet: labelled images, 8 bits a channel, NHWC: either in memory, or encoded (JPEG) and decoded by a
// loader when they are used. A subset is a view: it shares the images.
//
// Cheap to copy. Nothing in it changes after it was made, so that any number of threads may read it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "secateur/core/shape.h"
#include "secateur/data/encoded_images.h"

namespace secateur::data {

// Mean and (population) deviation of each channel, in units of full scale: pixel / 255.
struct ChannelStatistics {
  std::vector<double> mean;
  std::vector<double> deviation;
};

// What an ImageSet is made of.
struct ImageSetContent {
  std::string name;                                        // "cifar10", "synthetic", ...
  MapShape image_shape;                                    // of every image, as a loader gives it
  std::vector<std::uint8_t> pixels;                        // [N, H, W, C]; empty where the images are encoded
  std::vector<std::int32_t> labels;                        // [N], 0 .. class_names.size() - 1
  std::vector<std::string> class_names;                    // one a class
  ChannelStatistics statistics;                            // what loaders normalise with
  std::shared_ptr<const EncodedImages> encoded = nullptr;  // N of them, or null
};

class ImageSet {
 public:
  // Throws Error when the sizes do not fit together, a label is out of range, or a deviation is not positive.
  explicit ImageSet(ImageSetContent content);

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(indices_.size()); }
  [[nodiscard]] const std::string& name() const { return content_->name; }
  [[nodiscard]] const MapShape& image_shape() const { return content_->image_shape; }
  [[nodiscard]] std::int64_t num_classes() const {
    return static_cast<std::int64_t>(content_->class_names.size());
  }
  [[nodiscard]] const std::vector<std::string>& class_names() const { return content_->class_names; }
  [[nodiscard]] const ChannelStatistics& statistics() const { return content_->statistics; }

  // The encoded images, by full index; null where the set lies in memory.
  [[nodiscard]] const EncodedImages* encoded() const { return content_->encoded.get(); }
  // Pixels [H, W, C] (of a set in memory alone) and label of sample i, 0 <= i < size().
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t i) const;
  [[nodiscard]] std::int32_t label(std::int64_t i) const;
  // Pixels [N, H, W, C] of the full set that this is a view of; none where the images are encoded.
  [[nodiscard]] std::span<const std::uint8_t> full_pixels() const { return content_->pixels; }
  // Index of sample i in the full set that this is a view of: what random draws are keyed by.
  [[nodiscard]] std::int64_t full_index(std::int64_t i) const {
    return indices_[static_cast<std::size_t>(i)];
  }

  // The samples `indices` of this set, in this order. Throws Error for an index out of range.
  [[nodiscard]] ImageSet subset(std::span<const std::int64_t> indices) const;

  // Number of samples of each class.
  [[nodiscard]] std::vector<std::int64_t> class_counts() const;
  // XXH3 of the labels in their order: tells two copies of a set apart whose records stand in different
  // orders. Pixels are left out because a rendered set may differ by a grey level between processors.
  [[nodiscard]] std::uint64_t label_hash() const;

 private:
  ImageSet(std::shared_ptr<const ImageSetContent> content, std::vector<std::int64_t> indices);

  std::shared_ptr<const ImageSetContent> content_;
  std::vector<std::int64_t> indices_;
};

// Statistics of pixels [N, H, W, C] over all images and positions; exact integer sums. Throws Error for no
// pixels.
[[nodiscard]] ChannelStatistics measure_statistics(std::span<const std::uint8_t> pixels,
                                                   std::int64_t channels);

// The training and the test part of a data set, normalised alike.
struct DataSets {
  ImageSet train;
  ImageSet test;
};

}  // namespace secateur::data
