#include "secateur/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "hash.h"
#include "secateur/core/error.h"

namespace secateur::data {
namespace {

std::vector<std::int64_t> all_indices(std::size_t count) {
  std::vector<std::int64_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

void check_content(const ImageSetContent& content) {
  const MapShape& shape = content.image_shape;
  const auto count = static_cast<std::int64_t>(content.labels.size());
  require(shape.height > 0 && shape.width > 0 && shape.channels > 0, "data set '{}': images of {} x {} x {}",
          content.name, shape.height, shape.width, shape.channels);
  if (content.encoded != nullptr) {
    require(content.pixels.empty() && content.encoded->size() == count,
            "data set '{}': {} labels for {} encoded images", content.name, count, content.encoded->size());
  }
  require(
      content.encoded != nullptr || static_cast<std::int64_t>(content.pixels.size()) == count * shape.count(),
      "data set '{}': {} labels of {} x {} x {} images need {} pixel values, not {}", content.name, count,
      shape.height, shape.width, shape.channels, count * shape.count(), content.pixels.size());
  const auto classes = static_cast<std::int64_t>(content.class_names.size());
  for (std::size_t i = 0; i < content.labels.size(); ++i) {
    require(content.labels[i] >= 0 && content.labels[i] < classes,
            "data set '{}': sample {} has label {}, and there are {} classes", content.name, i,
            content.labels[i], classes);
  }
  const auto channels = static_cast<std::size_t>(shape.channels);
  require(content.statistics.mean.size() == channels && content.statistics.deviation.size() == channels,
          "data set '{}': {} means and {} deviations for {} channels", content.name,
          content.statistics.mean.size(), content.statistics.deviation.size(), channels);
  for (const double deviation : content.statistics.deviation) {
    require(deviation > 0, "data set '{}': a channel's deviation is {}, which cannot be divided by",
            content.name, deviation);
  }
}

}  // namespace

ImageSet::ImageSet(ImageSetContent content) : indices_(all_indices(content.labels.size())) {
  check_content(content);
  content_ = std::make_shared<const ImageSetContent>(std::move(content));
}

ImageSet::ImageSet(std::shared_ptr<const ImageSetContent> content, std::vector<std::int64_t> indices)
    : content_(std::move(content)), indices_(std::move(indices)) {}

std::span<const std::uint8_t> ImageSet::image(std::int64_t i) const {
  const auto count = static_cast<std::size_t>(content_->image_shape.count());
  return std::span(content_->pixels).subspan(static_cast<std::size_t>(full_index(i)) * count, count);
}

std::int32_t ImageSet::label(std::int64_t i) const {
  return content_->labels[static_cast<std::size_t>(full_index(i))];
}

ImageSet ImageSet::subset(std::span<const std::int64_t> indices) const {
  std::vector<std::int64_t> full;
  full.reserve(indices.size());
  for (const std::int64_t index : indices) {
    require(index >= 0 && index < size(), "data set '{}': no sample {} among {}", name(), index, size());
    full.push_back(full_index(index));
  }
  return {content_, std::move(full)};
}

std::vector<std::int64_t> ImageSet::class_counts() const {
  std::vector<std::int64_t> counts(content_->class_names.size(), 0);
  for (std::int64_t i = 0; i < size(); ++i) ++counts[static_cast<std::size_t>(label(i))];
  return counts;
}

std::uint64_t ImageSet::label_hash() const {
  std::vector<std::int32_t> labels;
  labels.reserve(indices_.size());
  for (std::int64_t i = 0; i < size(); ++i) labels.push_back(label(i));
  Hasher hasher;
  hasher.add(std::span<const std::int32_t>(labels));
  return hasher.digest();
}

ChannelStatistics measure_statistics(std::span<const std::uint8_t> pixels, std::int64_t channels) {
  const auto stride = static_cast<std::size_t>(channels);
  require(channels > 0 && !pixels.empty() && pixels.size() % stride == 0,
          "cannot take the mean of {} pixel values in {} channels", pixels.size(), channels);
  const std::size_t pixels_of_channel = pixels.size() / stride;
  const auto count = static_cast<double>(pixels_of_channel);
  ChannelStatistics statistics;
  for (std::size_t c = 0; c < stride; ++c) {
    std::uint64_t sum = 0;
    std::uint64_t sum_of_squares = 0;
    for (std::size_t i = c; i < pixels.size(); i += stride) {
      sum += pixels[i];
      sum_of_squares += std::uint64_t{pixels[i]} * pixels[i];
    }
    const double mean = static_cast<double>(sum) / count;
    const double variance = static_cast<double>(sum_of_squares) / count - mean * mean;
    statistics.mean.push_back(mean / 255);
    statistics.deviation.push_back(std::sqrt(std::max(variance, 0.0)) / 255);
  }
  return statistics;
}

}  // namespace secateur::data
