#include "secateur/data/loader.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "secateur/data/image_loader.h"

namespace secateur::data {

// Offset of the output in the image (negative: in the padding), and whether it is mirrored.
struct Loader::Crop {
  std::int64_t y = 0;
  std::int64_t x = 0;
  bool mirrored = false;
};

LoaderOptions training_options(std::uint64_t seed) {
  return {.shuffle = true, .augment = true, .seed = seed};
}

LoaderOptions evaluation_options() { return {}; }

Loader::Loader(ImageSet set, const LoaderOptions& options)
    : PixelSource(options.normalize ? set.statistics() : no_normalization(set.image_shape().channels)),
      set_(std::move(set)),
      options_(options) {
  check_loadable(set_, options_);
  begin_epoch(0);
}

void check_loadable(const ImageSet& set, const LoaderOptions& options) {
  require(set.size() > 0, "data set '{}' has no images to load", set.name());
  require(set.encoded() == nullptr, "data set '{}' is encoded: its images need an ImageLoader", set.name());
  require(options.padding >= 0 && options.padding < 1024, "a padding of {} pixels", options.padding);
  require(set.size() <= std::numeric_limits<std::uint32_t>::max(),
          "data set '{}': {} images are too many to shuffle", set.name(), set.size());
}

std::vector<std::int64_t> epoch_order(std::int64_t size, bool shuffle, std::uint64_t seed,
                                      std::int64_t epoch) {
  require(epoch >= 0 && epoch <= std::numeric_limits<std::uint32_t>::max(), "there is no epoch {}", epoch);
  if (shuffle) {
    return RandomSequence(seed, RngPurpose::shuffle, static_cast<std::uint32_t>(epoch)).permutation(size);
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

void Loader::begin_epoch(std::int64_t epoch) {
  order_ = epoch_order(size(), options_.shuffle, options_.seed, epoch);
  epoch_ = static_cast<std::uint32_t>(epoch);
}

Loader::Crop Loader::draw_crop(std::int64_t position) const {
  if (!options_.augment) return {};
  RandomSequence random(options_.seed, RngPurpose::augmentation, epoch_,
                        static_cast<std::uint32_t>(set_.full_index(position)));
  const auto choices = static_cast<std::uint32_t>(2 * options_.padding + 1);
  Crop crop;
  crop.y = static_cast<std::int64_t>(random.below(choices)) - options_.padding;
  crop.x = static_cast<std::int64_t>(random.below(choices)) - options_.padding;
  crop.mirrored = (random.next_u32() >> 31) != 0 && options_.flip;
  return crop;
}

void Loader::write_image(std::int64_t position, std::uint8_t* output) const {
  const MapShape shape = set_.image_shape();
  const std::int64_t width = shape.width;
  const std::int64_t channels = shape.channels;
  const std::uint8_t* image = set_.image(position).data();
  const Crop crop = draw_crop(position);

  // Output columns [begin, end) lie inside the image; the rest is padding. Mirrored, column x reads image
  // column crop.x + width - 1 - x, else crop.x + x.
  const std::int64_t shift = crop.mirrored ? -crop.x : crop.x;
  const std::int64_t begin = std::clamp<std::int64_t>(-shift, 0, width);
  const std::int64_t end = std::clamp<std::int64_t>(width - shift, begin, width);
  const std::int64_t first_column = crop.mirrored ? crop.x + width - 1 - begin : crop.x + begin;

  for (std::int64_t y = 0; y < shape.height; ++y) {
    std::uint8_t* row = output + y * width * channels;
    const std::int64_t source_y = crop.y + y;
    if (source_y < 0 || source_y >= shape.height || begin == end) {
      std::fill_n(row, width * channels, std::uint8_t{0});
      continue;
    }
    std::fill_n(row, begin * channels, std::uint8_t{0});
    std::fill_n(row + end * channels, (width - end) * channels, std::uint8_t{0});
    const std::uint8_t* source = image + (source_y * width + first_column) * channels;
    if (!crop.mirrored) {
      std::copy_n(source, (end - begin) * channels, row + begin * channels);
      continue;
    }
    for (std::int64_t x = begin; x < end; ++x, source -= channels) {
      std::copy_n(source, channels, row + x * channels);
    }
  }
}

void Loader::fill_pixels(std::int64_t first, std::int64_t count, std::span<std::uint8_t> pixels,
                         std::span<std::int32_t> labels) {
  const std::int64_t stride = set_.image_shape().count();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t sample = position(first + i);
    write_image(sample, pixels.data() + i * stride);
    labels[static_cast<std::size_t>(i)] = set_.label(sample);
  }
}

std::unique_ptr<PixelSource> make_loader(const ImageSet& set, const LoaderOptions& options) {
  if (set.encoded() == nullptr) return std::make_unique<Loader>(set, options);
  return std::make_unique<ImageLoader>(set, options);
}

}  // namespace secateur::data
