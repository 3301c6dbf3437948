// Small networks and made-up data for tests of whole programs.
#pragma once

#include <cstdint>

#include "secateur/graph/graph.h"
#include "secateur/train/batch_source.h"

namespace secateur::selftest {

// conv-bn-relu, max pool, conv-bn-relu, flatten, dropout, linear on 8x8x3.
[[nodiscard]] Graph small_vgg(std::int64_t width = 6, double dropout = 0.0);

// A stem and two residual blocks, the second with stride 2 and a projection, global pooling, linear; on
// 8x8x3.
[[nodiscard]] Graph small_resnet(std::int64_t width = 5);

// Images [H, W, C] of normal noise around a mean of their class, by seed: learnable, and cheap.
class NoiseSource final : public BatchSource {
 public:
  NoiseSource(MapShape shape, std::int64_t classes, std::int64_t samples, std::uint64_t seed,
              double separation = 1.0)
      : shape_(shape), classes_(classes), samples_(samples), seed_(seed), separation_(separation) {}
  [[nodiscard]] std::int64_t size() const override { return samples_; }
  [[nodiscard]] MapShape image_shape() const override { return shape_; }
  [[nodiscard]] std::int64_t num_classes() const override { return classes_; }
  void begin_epoch(std::int64_t epoch) override { epoch_ = epoch; }
  void fill(std::int64_t first, std::int64_t count, Stream& stream, const Tensor& images,
            const Tensor& labels) override;

 private:
  MapShape shape_;
  std::int64_t classes_;
  std::int64_t samples_;
  std::uint64_t seed_;
  double separation_;
  std::int64_t epoch_ = 0;
};

}  // namespace secateur::selftest
