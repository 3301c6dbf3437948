#include "secateur/data/pixel_source.h"

#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"

namespace secateur::data {

void PixelBatch::resize(std::int64_t count, const MapShape& shape) {
  pixels_.resize(static_cast<std::size_t>(count * shape.count()));
  labels_.resize(static_cast<std::size_t>(count));
}

void PixelBatch::write(Stream& stream, const ChannelStatistics& normalization, const Tensor& images,
                       const Tensor& labels) {
  const auto count = static_cast<std::int64_t>(labels_.size());
  const auto bytes = static_cast<std::int64_t>(pixels_.size());
  const std::uint8_t* pixels = pixels_.data();
  if (stream.device().kind() == DeviceKind::cuda) {
    if (on_device_.bytes() < bytes) on_device_ = Slab(stream.device(), bytes);
    stream.copy_to_device(on_device_.data(), pixels_.data(), bytes);
    pixels = reinterpret_cast<const std::uint8_t*>(on_device_.data());
  }
  primitives_of(stream.device().kind())
      .load_images(stream, pixels, count, normalization.mean, normalization.deviation, {}, images);
  stream.copy_to_device(labels.data, labels_.data(), count * size_of(DType::i32));
}

void PixelSource::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                       const Tensor& labels) {
  check_batch(*this, first, count, images, labels);
  batch_.resize(count, image_shape());
  fill_pixels(first, count, batch_.pixels(), batch_.labels());
  batch_.write(stream, normalization_, images, labels);
}

ChannelStatistics no_normalization(std::int64_t channels) {
  const auto count = static_cast<std::size_t>(channels);
  return {std::vector<double>(count, 0.0), std::vector<double>(count, 1.0)};
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

}  // namespace secateur::data
