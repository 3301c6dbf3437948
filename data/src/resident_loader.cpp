#include "secateur/data/resident_loader.h"

#include <limits>
#include <utility>

#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"

namespace secateur::data {

ResidentLoader::ResidentLoader(ImageSet set, const LoaderOptions& options, Stream& stream)
    : set_(std::move(set)), options_(options), stream_(stream) {
  check_loadable(set_, options_);
  normalization_ = options_.normalize ? set_.statistics() : no_normalization(set_.image_shape().channels);
  const std::span<const std::uint8_t> pixels = set_.full_pixels();
  require(static_cast<std::int64_t>(pixels.size()) / set_.image_shape().count() <=
              std::numeric_limits<std::int32_t>::max(),
          "data set '{}' is too large for a device's memory", set_.name());
  const auto bytes = static_cast<std::int64_t>(pixels.size());
  pixels_ = Slab(stream.device(), bytes);
  samples_ = Slab(stream.device(), size() * size_of(DType::i32));
  epoch_ = Slab(stream.device(), sizeof(std::uint32_t));
  labels_ = Slab(stream.device(), size() * size_of(DType::i32));
  stream.copy_to_device(pixels_.data(), pixels.data(), bytes);
  begin_epoch(0);
}

void ResidentLoader::begin_epoch(std::int64_t epoch) {
  const std::vector<std::int64_t> order = epoch_order(size(), options_.shuffle, options_.seed, epoch);
  const auto number = static_cast<std::uint32_t>(epoch);
  stream_.copy_to_device(epoch_.data(), &number, sizeof(number));
  std::vector<std::int32_t> values(order.size());
  const std::int64_t bytes = size() * size_of(DType::i32);
  for (std::size_t i = 0; i < order.size(); ++i)
    values[i] = static_cast<std::int32_t>(set_.full_index(order[i]));
  stream_.copy_to_device(samples_.data(), values.data(), bytes);
  for (std::size_t i = 0; i < order.size(); ++i) values[i] = set_.label(order[i]);
  stream_.copy_to_device(labels_.data(), values.data(), bytes);
  stream_.synchronize();  // the host's list and number go
}

void ResidentLoader::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                          const Tensor& labels) {
  check_batch(*this, first, count, images, labels);
  load(first, nullptr, count, stream, images, labels);
}

void ResidentLoader::fill_at(const std::int64_t* first, std::int64_t offset, std::int64_t count,
                             Stream& stream, const Tensor& images, const Tensor& labels) {
  check_batch(*this, offset, count, images, labels);
  load(offset, first, count, stream, images, labels);
}

void ResidentLoader::load(std::int64_t place, const std::int64_t* place_on_device, std::int64_t count,
                          Stream& stream, const Tensor& images, const Tensor& labels) {
  require(&stream.device() == &stream_.device(), "the data set '{}' lies on another device", set_.name());
  const std::int64_t offset = place * size_of(DType::i32);
  const ImageAugmentation augmentation{.samples = static_cast<const std::int32_t*>(samples_.at(offset)),
                                       .first = place_on_device,
                                       .labels = static_cast<const std::int32_t*>(labels_.at(offset)),
                                       .loaded_labels = labels.as<std::int32_t>(),
                                       .padding = options_.augment ? options_.padding : 0,
                                       .crop = options_.augment,
                                       .mirror = options_.augment && options_.flip,
                                       .seed = options_.seed,
                                       .epoch = reinterpret_cast<const std::uint32_t*>(epoch_.data())};
  primitives_of(stream.device().kind())
      .load_images(stream, reinterpret_cast<const std::uint8_t*>(pixels_.data()), count, normalization_.mean,
                   normalization_.deviation, augmentation, images);
}

}  // namespace secateur::data
