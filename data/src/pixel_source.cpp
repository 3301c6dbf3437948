#include "secateur/data/pixel_source.h"

#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"

namespace secateur::data {

std::int64_t PixelBatch::labels_offset() const { return align_up(count_ * image_bytes_, Device::kAlignment); }

std::int64_t PixelBatch::bytes() const { return labels_offset() + count_ * size_of(DType::i32); }

void PixelBatch::reserve(Device& device, std::int64_t count, const MapShape& shape) {
  count_ = count;
  image_bytes_ = shape.count();
  if (device_ == &device && host_.bytes() >= bytes()) return;
  begin();
  if (read_ != nullptr) read_->wait();  // the device's memory is given back below
  if (device_ != &device) {
    const bool travels = device.kind() == DeviceKind::cuda;
    copies_ = travels ? device.make_stream() : nullptr;
    sent_ = travels ? device.make_event() : nullptr;
    read_ = travels ? device.make_event() : nullptr;
  }
  host_ = HostBuffer(device, bytes());
  on_device_ = copies_ != nullptr ? Slab(device, bytes()) : Slab();
  device_ = &device;
}

void PixelBatch::begin() {
  if (sent_ != nullptr) sent_->wait();
}

std::span<std::uint8_t> PixelBatch::pixels() const {
  return {reinterpret_cast<std::uint8_t*>(host_.data()), static_cast<std::size_t>(count_ * image_bytes_)};
}

std::span<std::int32_t> PixelBatch::labels() const {
  return {reinterpret_cast<std::int32_t*>(host_.data() + labels_offset()), static_cast<std::size_t>(count_)};
}

void PixelBatch::send() {
  if (copies_ == nullptr) return;
  copies_->wait_for(*read_);
  copies_->copy_to_device(on_device_.data(), host_.data(), bytes());
  sent_->record(*copies_);
}

void PixelBatch::write(Stream& stream, const ChannelStatistics& normalization, const Tensor& images,
                       const Tensor& labels) {
  const bool travels = copies_ != nullptr;
  if (travels) stream.wait_for(*sent_);
  const std::byte* bytes = travels ? on_device_.data() : host_.data();
  primitives_of(stream.device().kind())
      .load_images(stream, reinterpret_cast<const std::uint8_t*>(bytes), count_, normalization.mean,
                   normalization.deviation, {}, images);
  stream.copy(labels.data, bytes + labels_offset(), count_ * size_of(DType::i32));
  if (travels) read_->record(stream);
}

void PixelSource::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                       const Tensor& labels) {
  check_batch(*this, first, count, images, labels);
  batch_.reserve(stream.device(), count, image_shape());
  batch_.begin();
  fill_pixels(first, count, batch_.pixels(), batch_.labels());
  batch_.send();
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
