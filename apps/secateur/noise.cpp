#include "secateur/noise.h"

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"

namespace secateur::app {
namespace {

// Rows of images as their tensor stores them, padding lanes zero.
std::vector<std::byte> stored_noise(const Tensor& images) {
  RandomSequence random(1, RngPurpose::test);
  std::vector<std::byte> bytes(static_cast<std::size_t>(images.stored_bytes()), std::byte{0});
  const std::int64_t element = size_of(images.dtype);
  for (std::int64_t row = 0; row < images.rows(); ++row) {
    for (std::int64_t c = 0; c < images.channels(); ++c) {
      encode_element(images.dtype, random.normal(), bytes.data() + (row * images.leading + c) * element);
    }
  }
  return bytes;
}

}  // namespace

void fill_with_noise(const Tensor& images, Stream& stream) {
  const std::vector<std::byte> noise = stored_noise(images);
  stream.copy_to_device(images.data, noise.data(), images.stored_bytes());
  stream.synchronize();
}

void NoiseImages::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                       const Tensor& labels) {
  require(first >= 0 && first + count <= samples_, "samples {} to {} of {}", first, first + count, samples_);
  if (static_cast<std::int64_t>(noise_.size()) != images.stored_bytes()) noise_ = stored_noise(images);
  stream.copy_to_device(images.data, noise_.data(), images.stored_bytes() / images.shape[0] * count);
  stream.synchronize();
  if (labels.empty()) return;
  std::vector<std::int32_t> targets;
  for (std::int64_t n = first; n < first + count; ++n)
    targets.push_back(static_cast<std::int32_t>(n % classes_));
  stream.copy_to_device(labels.data, targets.data(), count * size_of(DType::i32));
  stream.synchronize();
}

}  // namespace secateur::app
