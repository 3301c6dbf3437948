// Layers of the networks that kernels are measured on, as tables of shapes: VGG-16 and ResNet-56 on 32x32
// images, ResNet-50 on 224x224. Layers of one shape are one row with a count.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace secateur::bench {

// A convolution, each followed by a batch norm, and the map that it gives.
struct ConvLayer {
  std::string_view name;  // of the first of them
  std::int64_t side;      // height and width of the output
  std::int64_t channels;
  std::int64_t in_channels;
  std::int64_t kernel;
  std::int64_t count;

  [[nodiscard]] std::int64_t positions() const { return side * side; }
  [[nodiscard]] std::int64_t filter_size() const { return kernel * kernel * in_channels; }
};

// A max pooling, padded by (kernel - 1) / 2.
struct PoolLayer {
  std::string_view name;
  std::int64_t side;  // height and width of the input
  std::int64_t channels;
  std::int64_t kernel;
  std::int64_t stride;

  [[nodiscard]] std::int64_t padding() const { return (kernel - 1) / 2; }
  [[nodiscard]] std::int64_t out_side() const { return (side + 2 * padding() - kernel) / stride + 1; }
};

struct NetworkLayers {
  std::string_view name;
  std::int64_t image_side;
  std::int64_t batch;  // that it is measured with unless another is asked for
  std::int64_t classes;
  std::span<const ConvLayer> convolutions;
  std::span<const PoolLayer> pools;

  // Filters, batch norms' scales and shifts, and the classifier with its bias.
  [[nodiscard]] std::int64_t parameters() const;
  [[nodiscard]] std::int64_t filters() const;
  [[nodiscard]] std::int64_t filter_weights() const;
  // Multiply-adds of one image, convolutions and classifier.
  [[nodiscard]] std::int64_t macs() const;
};

[[nodiscard]] std::span<const NetworkLayers> networks();

// One layer for each size of map that there is, the most frequent one.
[[nodiscard]] std::vector<ConvLayer> distinct_maps(const NetworkLayers& network);

// Input channels that a layer keeps when every second channel of a network goes; an image keeps its own.
[[nodiscard]] std::int64_t half_of_inputs(const ConvLayer& layer);
// Weights that are left then.
[[nodiscard]] std::int64_t half_of_weights(const NetworkLayers& network);

}  // namespace secateur::bench
