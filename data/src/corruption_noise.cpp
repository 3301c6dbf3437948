// Noise: of a sensor in little light (Gaussian), of counted photons (shot), of bad bits (impulse).
#include <algorithm>
#include <cmath>
#include <utility>

#include "corruption_map.h"

namespace secateur::data::corruptions {

PixelMap gaussian_noise(Scene& scene) {
  const double deviation =
      scene.parameter<double>({0.04, 0.06, 0.08, 0.09, 0.10}, {0.08, 0.12, 0.18, 0.26, 0.38});
  for (float& value : scene.image.values) value += static_cast<float>(deviation * scene.random.normal());
  return std::move(scene.image);
}

PixelMap shot_noise(Scene& scene) {
  const double photons = scene.parameter<double>({500, 250, 100, 75, 50}, {60, 25, 12, 5, 3});
  // Cumulative distributions of the counts: there are only 256 means.
  std::array<std::vector<double>, 256> cumulative;
  for (float& value : scene.image.values) {
    const auto level = static_cast<std::size_t>(std::lround(255 * value));
    std::vector<double>& table = cumulative[level];
    if (table.empty()) {
      const double mean = photons * static_cast<double>(level) / 255;
      const auto last = static_cast<std::int64_t>(mean + 10 * std::sqrt(mean) + 20);
      double probability = std::exp(-mean);
      double sum = 0;
      for (std::int64_t count = 0; count <= last; ++count) {
        sum += probability;
        table.push_back(sum);
        probability *= mean / static_cast<double>(count + 1);
      }
    }
    const auto drawn = std::ranges::upper_bound(table, scene.random.uniform()) - table.begin();
    value = static_cast<float>(static_cast<double>(drawn) / photons);
  }
  return std::move(scene.image);
}

PixelMap impulse_noise(Scene& scene) {
  const double amount =
      scene.parameter<double>({0.01, 0.02, 0.03, 0.05, 0.07}, {0.03, 0.06, 0.09, 0.17, 0.27});
  for (float& value : scene.image.values) {
    const bool hit = scene.random.uniform() < amount;
    const bool salt = scene.random.uniform() < 0.5;
    if (hit) value = salt ? 1.0F : 0.0F;
  }
  return std::move(scene.image);
}

}  // namespace secateur::data::corruptions
