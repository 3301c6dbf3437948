// Weather: snow, frost, fog, brightness.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "corruption_map.h"

namespace secateur::data::corruptions {
namespace {

// Frost as on a window, [height, width, 3]: ridges between grains, and straight needles.
PixelMap frost_texture(std::int64_t height, std::int64_t width, RandomSequence& random) {
  constexpr double kDecay = 1.9;
  const PixelMap grains = plasma(power_of_two_from(std::max(height, width)), kDecay, random);
  PixelMap ice(height, width, 1);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const float ridge = 1 - std::abs(2 * grains.at(y, x) - 1);
      ice.at(y, x) = 0.25F + 0.5F * ridge * ridge;
    }
  }
  const std::int64_t needles = (height + width) / 5;
  for (std::int64_t i = 0; i < needles; ++i) {
    const double y = random.uniform(0, static_cast<double>(height));
    const double x = random.uniform(0, static_cast<double>(width));
    const double angle = random.uniform(0, std::numbers::pi);
    const double length = random.uniform(0.05, 0.25) * static_cast<double>(std::max(height, width));
    const auto light = static_cast<float>(random.uniform(0.2, 0.5));
    for (double along = 0; along < length; along += 1) {
      const auto py = static_cast<std::int64_t>(y + along * std::sin(angle));
      const auto px = static_cast<std::int64_t>(x + along * std::cos(angle));
      if (py < 0 || py >= height || px < 0 || px >= width) break;
      ice.at(py, px) = std::min(1.0F, ice.at(py, px) + light);
    }
  }
  constexpr std::array<float, 3> kTint{0.86F, 0.94F, 1.0F};
  PixelMap texture(height, width, 3);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c)
        texture.at(y, x, c) = kTint[static_cast<std::size_t>(c)] * ice.at(y, x);
    }
  }
  return texture;
}

}  // namespace

PixelMap snow(Scene& scene) {
  struct Snow {
    double mean, deviation, zoom, threshold;
    std::int64_t radius;
    double sigma, image_weight;
  };
  const Snow snow = scene.parameter<Snow>({{{0.1, 0.2, 1, 0.6, 8, 3, 0.95},
                                            {0.1, 0.2, 1, 0.5, 10, 4, 0.9},
                                            {0.15, 0.3, 1.75, 0.55, 10, 4, 0.9},
                                            {0.25, 0.3, 2.25, 0.6, 12, 6, 0.85},
                                            {0.3, 0.3, 1.25, 0.65, 14, 12, 0.8}}},
                                          {{{0.1, 0.3, 3, 0.5, 10, 4, 0.8},
                                            {0.2, 0.3, 2, 0.5, 12, 4, 0.7},
                                            {0.55, 0.3, 4, 0.9, 12, 8, 0.7},
                                            {0.55, 0.3, 4.5, 0.85, 12, 8, 0.65},
                                            {0.55, 0.3, 2.5, 0.85, 12, 12, 0.55}}});
  PixelMap& image = scene.image;
  PixelMap flakes(image.height, image.width, 1);
  for (float& value : flakes.values)
    value = static_cast<float>(snow.mean + snow.deviation * scene.random.normal());
  flakes = clipped_zoom(flakes, snow.zoom);
  for (float& value : flakes.values)
    value = value < static_cast<float>(snow.threshold) ? 0.0F : std::min(value, 1.0F);
  flakes = motion_blur(flakes, snow.radius, snow.sigma, scene.random.uniform(-135, -45));

  const auto kept = static_cast<float>(snow.image_weight);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      const float grey = 0.299F * image.at(y, x, 0) + 0.587F * image.at(y, x, 1) + 0.114F * image.at(y, x, 2);
      // The layer and itself turned by 180 degrees.
      const float fallen = flakes.at(y, x) + flakes.at(image.height - 1 - y, image.width - 1 - x);
      for (std::int64_t c = 0; c < 3; ++c) {
        float& value = image.at(y, x, c);
        value = kept * value + (1 - kept) * std::max(value, 1.5F * grey + 0.5F) + fallen;
      }
    }
  }
  return std::move(image);
}

PixelMap frost(Scene& scene) {
  struct Frost {
    float image, ice;
  };
  const Frost weight =
      scene.parameter<Frost>({{{1.0F, 0.2F}, {1.0F, 0.3F}, {0.9F, 0.4F}, {0.85F, 0.4F}, {0.75F, 0.45F}}},
                             {{{1.0F, 0.4F}, {0.8F, 0.6F}, {0.7F, 0.7F}, {0.65F, 0.7F}, {0.6F, 0.75F}}});
  const PixelMap texture = frost_texture(scene.image.height, scene.image.width, scene.random);
  std::ranges::transform(scene.image.values, texture.values, scene.image.values.begin(),
                         [&](float value, float ice) { return weight.image * value + weight.ice * ice; });
  return std::move(scene.image);
}

PixelMap fog(Scene& scene) {
  struct Fog {
    double thickness, decay;
  };
  const Fog fog = scene.parameter<Fog>({{{0.2, 3}, {0.5, 3}, {0.75, 2.5}, {1, 2}, {1.5, 1.75}}},
                                       {{{1.5, 2}, {2, 2}, {2.5, 1.7}, {2.5, 1.5}, {3, 1.4}}});
  PixelMap& image = scene.image;
  const PixelMap mist =
      plasma(power_of_two_from(std::max(image.height, image.width)), fog.decay, scene.random);
  const float brightest = std::ranges::max(image.values);
  const auto thickness = static_cast<float>(fog.thickness);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        float& value = image.at(y, x, c);
        value = (value + thickness * mist.at(y, x)) * brightest / (brightest + thickness);
      }
    }
  }
  return std::move(image);
}

PixelMap brightness(Scene& scene) {
  const float added =
      scene.parameter<float>({0.05F, 0.1F, 0.15F, 0.2F, 0.3F}, {0.1F, 0.2F, 0.3F, 0.4F, 0.5F});
  PixelMap& image = scene.image;
  for (std::size_t p = 0; p < image.values.size(); p += 3) {
    // HSV with another value but the same hue and saturation is a multiple of the colour; black is grey.
    float* color = &image.values[p];
    const float value = std::max({color[0], color[1], color[2]});
    const float raised = std::min(value + added, 1.0F);
    for (std::size_t c = 0; c < 3; ++c) color[c] = value > 0 ? color[c] * raised / value : raised;
  }
  return std::move(image);
}

}  // namespace secateur::data::corruptions
