#include "secateur/noise.h"

#include "secateur/core/error.h"
#include "secateur/core/rng.h"

namespace secateur::app {
namespace {

std::vector<float> normal_numbers(std::int64_t count) {
  RandomSequence random(1, RngPurpose::test);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

// The first `rows` rows of the images.
void copy_rows(const std::vector<float>& values, std::int64_t rows, const Tensor& images, Stream& stream) {
  const std::int64_t count = rows * images.leading;
  if (images.dtype == DType::f64) {
    const std::vector<double> wide(values.begin(), values.begin() + count);
    stream.copy_to_device(images.data, wide.data(), count * size_of(DType::f64));
    stream.synchronize();
    return;
  }
  require(images.dtype == DType::f32, "images of {} cannot be made up", name_of(images.dtype));
  stream.copy_to_device(images.data, values.data(), count * size_of(DType::f32));
  stream.synchronize();
}

}  // namespace

void fill_with_noise(const Tensor& images, Stream& stream) {
  copy_rows(normal_numbers(images.rows() * images.leading), images.rows(), images, stream);
}

void NoiseImages::fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
                       const Tensor& labels) {
  require(first >= 0 && first + count <= samples_, "samples {} to {} of {}", first, first + count, samples_);
  const std::int64_t elements = images.rows() * images.leading;
  if (static_cast<std::int64_t>(noise_.size()) < elements) noise_ = normal_numbers(elements);
  copy_rows(noise_, images.rows() / images.shape[0] * count, images, stream);
  if (labels.empty()) return;
  std::vector<std::int32_t> targets;
  for (std::int64_t n = first; n < first + count; ++n)
    targets.push_back(static_cast<std::int32_t>(n % classes_));
  stream.copy_to_device(labels.data, targets.data(), count * size_of(DType::i32));
  stream.synchronize();
}

}  // namespace secateur::app
