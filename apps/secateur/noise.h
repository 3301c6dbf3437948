// Made-up images, for what needs any images at all: timings, and comparisons of two networks.
#pragma once

#include "secateur/train/batch_source.h"

namespace secateur::app {

// Fills a program's images (f32 or f64) with normal random numbers, the same each time; padding lanes too.
void fill_with_noise(const Tensor& images, Stream& stream);

// `samples` images of noise, labels in turn. Every batch is the same noise, drawn once, so that a fill costs
// a copy.
class NoiseImages final : public BatchSource {
 public:
  NoiseImages(MapShape shape, std::int64_t classes, std::int64_t samples)
      : shape_(shape), classes_(classes), samples_(samples) {}
  [[nodiscard]] std::int64_t size() const override { return samples_; }
  [[nodiscard]] MapShape image_shape() const override { return shape_; }
  [[nodiscard]] std::int64_t num_classes() const override { return classes_; }
  void begin_epoch(std::int64_t /*epoch*/) override {}
  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) override;

 private:
  MapShape shape_;
  std::int64_t classes_;
  std::int64_t samples_;
  std::vector<std::byte> noise_;  // a batch as its tensor stores it
};

}  // namespace secateur::app
