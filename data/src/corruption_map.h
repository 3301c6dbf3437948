// What the families of corruptions share: an image in floating point, the filters and samplers that several
// of them take, and one function a corruption.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "secateur/core/rng.h"

namespace secateur::data::corruptions {

// Values [height, width, channels], 1 is full scale.
struct PixelMap {
  PixelMap(std::int64_t h, std::int64_t w, std::int64_t c)
      : height(h), width(w), channels(c), values(static_cast<std::size_t>(h * w * c)) {}
  [[nodiscard]] float& at(std::int64_t y, std::int64_t x, std::int64_t c = 0) {
    return values[static_cast<std::size_t>((y * width + x) * channels + c)];
  }
  [[nodiscard]] float at(std::int64_t y, std::int64_t x, std::int64_t c = 0) const {
    return values[static_cast<std::size_t>((y * width + x) * channels + c)];
  }
  std::int64_t height, width, channels;
  std::vector<float> values;
};

// What a corruption works with. `level` is the severity less one.
struct Scene {
  PixelMap image;
  std::size_t level;
  bool small;  // parameters of CIFAR-10-C
  RandomSequence random;

  // The entry of this severity, of one of the two tables.
  template <class T>
  [[nodiscard]] const T& parameter(const std::array<T, 5>& of_small, const std::array<T, 5>& of_large) const {
    return (small ? of_small : of_large)[level];
  }
};

// A position outside 0 .. size-1 brought inside. reflect_101: dcb|abcd|cba. symmetric: dcba|abcd|dcba.
enum class Border : std::uint8_t { clamp, reflect_101, symmetric };
[[nodiscard]] std::int64_t inside(std::int64_t position, std::int64_t size, Border border);

// Weights of a normal density at -radius .. radius, that sum to 1; {1} for sigma 0.
[[nodiscard]] std::vector<float> gaussian_weights(double sigma, std::int64_t radius);
// Separable Gaussian blur; weights end at round(truncate * sigma).
[[nodiscard]] PixelMap gaussian_blur(const PixelMap& map, double sigma, double truncate, Border border);

// ImageMagick's: output(p) = sum over i of w(i) * map(p + i * direction), i = 0 .. 2 * radius, w a normal
// density of deviation sigma that sums to 1, positions rounded and clamped. Angle in degrees, y down.
[[nodiscard]] PixelMap motion_blur(const PixelMap& map, std::int64_t radius, double sigma, double angle);

// The centre of the map enlarged by `factor` >= 1 to the map's own size, linear interpolation.
[[nodiscard]] PixelMap clipped_zoom(const PixelMap& map, double factor);

// Linear interpolation at (y, x).
[[nodiscard]] float sample(const PixelMap& map, double y, double x, std::int64_t channel, Border border);

// Diamond-square heights on a torus of side `side` (a power of two), scaled to [0, 1]; [side, side, 1].
// Deviations of the heights fall by `decay` a step.
[[nodiscard]] PixelMap plasma(std::int64_t side, double decay, RandomSequence& random);
[[nodiscard]] std::int64_t power_of_two_from(std::int64_t size);

// Each returns the corrupted image; what lies outside [0, 1] is cut off by the caller.
[[nodiscard]] PixelMap gaussian_noise(Scene& scene);
[[nodiscard]] PixelMap shot_noise(Scene& scene);
[[nodiscard]] PixelMap impulse_noise(Scene& scene);
[[nodiscard]] PixelMap defocus_blur(Scene& scene);
[[nodiscard]] PixelMap glass_blur(Scene& scene);
[[nodiscard]] PixelMap motion_blur(Scene& scene);
[[nodiscard]] PixelMap zoom_blur(Scene& scene);
[[nodiscard]] PixelMap snow(Scene& scene);
[[nodiscard]] PixelMap frost(Scene& scene);
[[nodiscard]] PixelMap fog(Scene& scene);
[[nodiscard]] PixelMap brightness(Scene& scene);
[[nodiscard]] PixelMap contrast(Scene& scene);
[[nodiscard]] PixelMap elastic_transform(Scene& scene);
[[nodiscard]] PixelMap pixelate(Scene& scene);
[[nodiscard]] PixelMap jpeg_compression(Scene& scene);

}  // namespace secateur::data::corruptions
