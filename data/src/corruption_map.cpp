#include "corruption_map.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace secateur::data::corruptions {
namespace {

// One pass of a separable filter, along x or along y.
PixelMap filtered(const PixelMap& map, const std::vector<float>& weights, bool along_x, Border border) {
  PixelMap result(map.height, map.width, map.channels);
  const auto radius = static_cast<std::int64_t>(weights.size() / 2);
  for (std::int64_t y = 0; y < map.height; ++y) {
    for (std::int64_t x = 0; x < map.width; ++x) {
      for (std::int64_t i = -radius; i <= radius; ++i) {
        const float weight = weights[static_cast<std::size_t>(i + radius)];
        const std::int64_t from_y = along_x ? y : inside(y + i, map.height, border);
        const std::int64_t from_x = along_x ? inside(x + i, map.width, border) : x;
        for (std::int64_t c = 0; c < map.channels; ++c)
          result.at(y, x, c) += weight * map.at(from_y, from_x, c);
      }
    }
  }
  return result;
}

}  // namespace

std::int64_t inside(std::int64_t position, std::int64_t size, Border border) {
  if (position >= 0 && position < size) return position;
  if (border == Border::clamp || size == 1) return std::clamp<std::int64_t>(position, 0, size - 1);
  const std::int64_t period = border == Border::symmetric ? 2 * size : 2 * size - 2;
  const std::int64_t folded = ((position % period) + period) % period;
  if (folded < size) return folded;
  return border == Border::symmetric ? period - 1 - folded : period - folded;
}

std::vector<float> gaussian_weights(double sigma, std::int64_t radius) {
  if (sigma <= 0 || radius <= 0) return {1.0F};
  std::vector<double> exact;
  double sum = 0;
  for (std::int64_t i = -radius; i <= radius; ++i) {
    exact.push_back(std::exp(-0.5 * static_cast<double>(i * i) / (sigma * sigma)));
    sum += exact.back();
  }
  std::vector<float> weights;
  weights.reserve(exact.size());
  for (const double value : exact) weights.push_back(static_cast<float>(value / sum));
  return weights;
}

PixelMap gaussian_blur(const PixelMap& map, double sigma, double truncate, Border border) {
  const std::vector<float> weights =
      gaussian_weights(sigma, static_cast<std::int64_t>(std::floor(truncate * sigma + 0.5)));
  if (weights.size() == 1) return map;
  return filtered(filtered(map, weights, true, border), weights, false, border);
}

PixelMap motion_blur(const PixelMap& map, std::int64_t radius, double sigma, double angle) {
  struct Tap {
    std::int64_t x, y;
    float weight;
  };
  const double radians = angle * std::numbers::pi / 180;
  const std::int64_t count = 2 * radius + 1;
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i)
    sum += std::exp(-0.5 * static_cast<double>(i * i) / (sigma * sigma));
  std::vector<Tap> taps;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto step = static_cast<double>(i);
    taps.push_back({static_cast<std::int64_t>(std::ceil(step * std::cos(radians) - 0.5)),
                    static_cast<std::int64_t>(std::ceil(step * std::sin(radians) - 0.5)),
                    static_cast<float>(std::exp(-0.5 * step * step / (sigma * sigma)) / sum)});
  }
  PixelMap result(map.height, map.width, map.channels);
  for (std::int64_t y = 0; y < map.height; ++y) {
    for (std::int64_t x = 0; x < map.width; ++x) {
      for (const Tap& tap : taps) {
        const std::int64_t from_y = inside(y + tap.y, map.height, Border::clamp);
        const std::int64_t from_x = inside(x + tap.x, map.width, Border::clamp);
        for (std::int64_t c = 0; c < map.channels; ++c)
          result.at(y, x, c) += tap.weight * map.at(from_y, from_x, c);
      }
    }
  }
  return result;
}

float sample(const PixelMap& map, double y, double x, std::int64_t channel, Border border) {
  const double floor_y = std::floor(y);
  const double floor_x = std::floor(x);
  const auto v = static_cast<float>(y - floor_y);
  const auto u = static_cast<float>(x - floor_x);
  const auto top = static_cast<std::int64_t>(floor_y);
  const auto left = static_cast<std::int64_t>(floor_x);
  const std::int64_t y0 = inside(top, map.height, border);
  const std::int64_t y1 = inside(top + 1, map.height, border);
  const std::int64_t x0 = inside(left, map.width, border);
  const std::int64_t x1 = inside(left + 1, map.width, border);
  return (1 - v) * ((1 - u) * map.at(y0, x0, channel) + u * map.at(y0, x1, channel)) +
         v * ((1 - u) * map.at(y1, x0, channel) + u * map.at(y1, x1, channel));
}

PixelMap clipped_zoom(const PixelMap& map, double factor) {
  // One axis: the first pixel that is looked at, and pixels of the map between two of the result.
  struct Axis {
    Axis(std::int64_t size, double zoom) {
      const auto kept = static_cast<std::int64_t>(std::ceil(static_cast<double>(size) / zoom));
      const auto enlarged = static_cast<std::int64_t>(std::round(static_cast<double>(kept) * zoom));
      step = enlarged > 1 ? static_cast<double>(kept - 1) / static_cast<double>(enlarged - 1) : 0;
      const std::int64_t trimmed = std::max<std::int64_t>(enlarged - size, 0) / 2;
      const std::int64_t margin = (size - kept) / 2;
      first = static_cast<double>(margin) + step * static_cast<double>(trimmed);
    }
    [[nodiscard]] double at(std::int64_t i) const { return first + step * static_cast<double>(i); }
    double first = 0;
    double step = 0;
  };
  const Axis rows(map.height, factor);
  const Axis columns(map.width, factor);
  PixelMap result(map.height, map.width, map.channels);
  for (std::int64_t y = 0; y < map.height; ++y) {
    for (std::int64_t x = 0; x < map.width; ++x) {
      for (std::int64_t c = 0; c < map.channels; ++c)
        result.at(y, x, c) = sample(map, rows.at(y), columns.at(x), c, Border::clamp);
    }
  }
  return result;
}

std::int64_t power_of_two_from(std::int64_t size) {
  std::int64_t power = 1;
  while (power < size) power *= 2;
  return power;
}

PixelMap plasma(std::int64_t side, double decay, RandomSequence& random) {
  PixelMap map(side, side, 1);
  double wibble = 100;
  const auto height_at = [&](std::int64_t y, std::int64_t x) {
    return map.at((y + side) % side, (x + side) % side);
  };
  // As the authors write it: the deviation enters squared.
  const auto wibbled = [&](float sum) {
    return sum / 4 + static_cast<float>(wibble * random.uniform(-wibble, wibble));
  };
  for (std::int64_t step = side; step >= 2; step /= 2) {
    const std::int64_t half = step / 2;
    for (std::int64_t y = 0; y < side; y += step) {
      for (std::int64_t x = 0; x < side; x += step) {
        map.at(y + half, x + half) = wibbled(height_at(y, x) + height_at(y + step, x) +
                                             height_at(y, x + step) + height_at(y + step, x + step));
      }
    }
    for (std::int64_t y = 0; y < side; y += step) {
      for (std::int64_t x = 0; x < side; x += step) {
        map.at(y, x + half) = wibbled(height_at(y - half, x + half) + height_at(y + half, x + half) +
                                      height_at(y, x) + height_at(y, x + step));
        map.at(y + half, x) = wibbled(height_at(y + half, x - half) + height_at(y + half, x + half) +
                                      height_at(y, x) + height_at(y + step, x));
      }
    }
    wibble /= decay;
  }
  const auto [low, high] = std::ranges::minmax(map.values);
  for (float& value : map.values) value = (value - low) / (high - low);
  return map;
}

}  // namespace secateur::data::corruptions
