#include "secateur/data/loader.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"

namespace secateur::data {
namespace {

template <class T>
std::vector<T> make_table(const ImageSet& set, bool normalize) {
  const auto channels = static_cast<std::size_t>(set.image_shape().channels);
  std::vector<T> table(channels * 256);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      const double value = static_cast<double>(v) / 255;
      const ChannelStatistics& statistics = set.statistics();
      const double result = normalize ? (value - statistics.mean[c]) / statistics.deviation[c] : value;
      table[c * 256 + v] = static_cast<T>(result);
    }
  }
  return table;
}

// The same values as 16-bit patterns.
std::vector<std::uint16_t> rounded_table(const std::vector<double>& table, DType type) {
  std::vector<std::uint16_t> rounded(table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    encode_element(type, table[i], reinterpret_cast<std::byte*>(&rounded[i]));
  }
  return rounded;
}

// Writes `count` pixels, reading from `source` on with a step of `step` pixels (1 or -1).
template <class T>
void write_pixels(const std::uint8_t* source, std::int64_t count, std::int64_t step, std::int64_t channels,
                  const T* table, T* output, std::int64_t leading) {
  const std::int64_t stride = step * channels;
  if (channels == 3) {
    for (std::int64_t x = 0; x < count; ++x, source += stride, output += leading) {
      output[0] = table[source[0]];
      output[1] = table[256 + source[1]];
      output[2] = table[512 + source[2]];
    }
    return;
  }
  for (std::int64_t x = 0; x < count; ++x, source += stride, output += leading) {
    for (std::int64_t c = 0; c < channels; ++c) output[c] = table[c * 256 + source[c]];
  }
}

template <class T>
void write_black(std::int64_t count, std::int64_t channels, const T* table, T* output, std::int64_t leading) {
  for (std::int64_t x = 0; x < count; ++x, output += leading) {
    for (std::int64_t c = 0; c < channels; ++c) output[c] = table[c * 256];
  }
}

}  // namespace

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
    : set_(std::move(set)),
      options_(options),
      table_f32_(make_table<float>(set_, options.normalize)),
      table_f64_(make_table<double>(set_, options.normalize)),
      table_f16_(rounded_table(table_f64_, DType::f16)),
      table_bf16_(rounded_table(table_f64_, DType::bf16)) {
  require(set_.size() > 0, "data set '{}' has no images to load", set_.name());
  require(options.padding >= 0 && options.padding < 1024, "a padding of {} pixels", options.padding);
  require(set_.size() <= std::numeric_limits<std::uint32_t>::max(),
          "data set '{}': {} images are too many to shuffle", set_.name(), set_.size());
  order_.resize(static_cast<std::size_t>(set_.size()));
  begin_epoch(0);
}

void Loader::begin_epoch(std::int64_t epoch) {
  require(epoch >= 0 && epoch <= std::numeric_limits<std::uint32_t>::max(), "there is no epoch {}", epoch);
  epoch_ = static_cast<std::uint32_t>(epoch);
  if (options_.shuffle) {
    order_ = RandomSequence(options_.seed, RngPurpose::shuffle, epoch_).permutation(size());
  } else {
    std::iota(order_.begin(), order_.end(), 0);
  }
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

template <class T>
void Loader::write_image(std::int64_t position, const std::vector<T>& table, T* output,
                         std::int64_t leading) const {
  const MapShape shape = set_.image_shape();
  const std::int64_t width = shape.width;
  const std::int64_t channels = shape.channels;
  const std::uint8_t* image = set_.image(position).data();
  const Crop crop = draw_crop(position);
  if (leading > channels) std::fill_n(output, shape.positions() * leading, T{0});  // the padding lanes

  // Output columns [begin, end) lie inside the image; the rest is padding. Mirrored, column x reads image
  // column crop.x + width - 1 - x, else crop.x + x.
  const std::int64_t shift = crop.mirrored ? -crop.x : crop.x;
  const std::int64_t begin = std::clamp<std::int64_t>(-shift, 0, width);
  const std::int64_t end = std::clamp<std::int64_t>(width - shift, begin, width);
  const std::int64_t step = crop.mirrored ? -1 : 1;
  const std::int64_t first_column = crop.mirrored ? crop.x + width - 1 - begin : crop.x + begin;

  for (std::int64_t y = 0; y < shape.height; ++y) {
    T* row = output + y * width * leading;
    const std::int64_t source_y = crop.y + y;
    if (source_y < 0 || source_y >= shape.height || begin == end) {
      write_black(width, channels, table.data(), row, leading);
      continue;
    }
    write_black(begin, channels, table.data(), row, leading);
    write_pixels(image + (source_y * width + first_column) * channels, end - begin, step, channels,
                 table.data(), row + begin * leading, leading);
    write_black(width - end, channels, table.data(), row + end * leading, leading);
  }
}

void Loader::write_batch(std::int64_t first, std::int64_t count, const Tensor& images,
                         std::int32_t* labels) const {
  const std::int64_t stride = set_.image_shape().positions() * images.leading;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t sample = position(first + i);
    const std::int64_t offset = i * stride;
    if (images.dtype == DType::f32) {
      write_image(sample, table_f32_, images.as<float>() + offset, images.leading);
    } else if (images.dtype == DType::f64) {
      write_image(sample, table_f64_, images.as<double>() + offset, images.leading);
    } else {
      const auto& table = images.dtype == DType::f16 ? table_f16_ : table_bf16_;
      write_image(sample, table, static_cast<std::uint16_t*>(images.data) + offset, images.leading);
    }
    labels[i] = set_.label(sample);
  }
}

void Loader::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                  const Tensor& labels) {
  check_batch(*this, first, count, images, labels);
  if (stream.device().kind() != DeviceKind::cuda) {
    write_batch(first, count, images, labels.as<std::int32_t>());
    return;
  }
  const std::int64_t bytes = count * set_.image_shape().positions() * images.leading * size_of(images.dtype);
  staged_images_.resize(static_cast<std::size_t>(bytes));
  staged_labels_.resize(static_cast<std::size_t>(count));
  Tensor staged = images;
  staged.data = staged_images_.data();
  write_batch(first, count, staged, staged_labels_.data());
  stream.copy_to_device(images.data, staged_images_.data(), bytes);
  stream.copy_to_device(labels.data, staged_labels_.data(), count * size_of(DType::i32));
}

void check_batch(const BatchSource& source, std::int64_t first, std::int64_t count, const Tensor& images,
                 const Tensor& labels) {
  require(first >= 0 && count >= 0 && first <= source.size() - count,
          "samples {} .. {} were asked for; the data set has {}", first, first + count - 1, source.size());
  const MapShape shape = source.image_shape();
  require(images.shape.rank() == 4 && images.shape[0] >= count && images.shape[1] == shape.height &&
              images.shape[2] == shape.width && images.shape[3] == shape.channels &&
              images.leading >= shape.channels,
          "{} images {} do not fit into a tensor {} with leading dimension {}", count,
          shape.batched(count).to_string(), images.shape.to_string(), images.leading);
  require(images.dtype == DType::f32 || images.dtype == DType::f64 || images.dtype == DType::f16 ||
              images.dtype == DType::bf16,
          "images are loaded as f32, f64, f16 or bf16, not as {}", name_of(images.dtype));
  require(labels.dtype == DType::i32 && labels.dense() && labels.count() >= count,
          "{} labels need a dense i32 tensor of as many elements, not {} of {}", count,
          labels.shape.to_string(), name_of(labels.dtype));
}

std::vector<std::int64_t> draw_scoring_sample(const ImageSet& training, std::int64_t count,
                                              std::uint64_t seed, std::int64_t round) {
  require(count > 0 && count <= training.size(),
          "cannot draw {} images for scoring, without replacement, from {} training images", count,
          training.size());
  RandomSequence random(seed, RngPurpose::scoring_sample, static_cast<std::uint32_t>(round));
  std::vector<std::int64_t> order = random.permutation(training.size());
  order.resize(static_cast<std::size_t>(count));
  return order;
}

Loader make_scoring_loader(const ImageSet& training, std::int64_t count, std::uint64_t seed,
                           std::int64_t round) {
  return {training.subset(draw_scoring_sample(training, count, seed, round)), evaluation_options()};
}

}  // namespace secateur::data
