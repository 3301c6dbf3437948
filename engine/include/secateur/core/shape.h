// Extents of a tensor. Activations are [N, H, W, C], filters [K, R, S, C] (KRSC), vectors [C].
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace secateur {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  // Throws Error for more than kMaxRank extents, a negative one, or a product past 2^62.
  // NOLINTNEXTLINE(google-explicit-constructor): a braced list is a shape
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] std::int64_t operator[](int axis) const { return extents_[static_cast<std::size_t>(axis)]; }
  [[nodiscard]] std::int64_t last() const {
    return rank_ == 0 ? 1 : extents_[static_cast<std::size_t>(rank_ - 1)];
  }
  // Product of the extents; 1 for rank 0.
  [[nodiscard]] std::int64_t count() const;
  // Product of all extents but the last: the number of rows when the last axis is the channel axis.
  [[nodiscard]] std::int64_t rows() const;
  [[nodiscard]] std::span<const std::int64_t> extents() const {
    return {extents_.data(), static_cast<std::size_t>(rank_)};
  }
  // "[128, 32, 32, 16]"
  [[nodiscard]] std::string to_string() const;

  bool operator==(const Shape& other) const = default;

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

// One sample's activation: height, width, channels. Linear layers see 1 x 1 x features.
struct MapShape {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;

  [[nodiscard]] std::int64_t positions() const { return height * width; }
  [[nodiscard]] std::int64_t count() const { return height * width * channels; }
  [[nodiscard]] Shape batched(std::int64_t batch) const { return {batch, height, width, channels}; }
  bool operator==(const MapShape&) const = default;
};

}  // namespace secateur
