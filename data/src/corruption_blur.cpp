// Blur: a lens out of focus, frosted glass, a moving camera, a camera that zooms.
#include <algorithm>
#include <cmath>
#include <functional>

#include "corruption_map.h"

namespace secateur::data::corruptions {

PixelMap defocus_blur(Scene& scene) {
  struct Disk {
    double radius, alias_blur;
  };
  const Disk disk = scene.parameter<Disk>({{{0.3, 0.4}, {0.4, 0.5}, {0.5, 0.6}, {1, 0.2}, {1.5, 0.1}}},
                                          {{{3, 0.1}, {4, 0.5}, {6, 0.5}, {8, 0.5}, {10, 0.5}}});
  // The grid leaves room for the anti-aliasing: 3 x 3 weights up to a radius of 8, 5 x 5 from there on.
  const std::int64_t spread = disk.radius <= 8 ? 1 : 2;
  const std::int64_t reach = static_cast<std::int64_t>(std::floor(disk.radius)) + spread;
  const std::int64_t side = 2 * reach + 1;
  PixelMap sharp(side, side, 1);
  for (std::int64_t y = -reach; y <= reach; ++y) {
    for (std::int64_t x = -reach; x <= reach; ++x) {
      sharp.at(y + reach, x + reach) =
          static_cast<double>(x * x + y * y) <= disk.radius * disk.radius ? 1.0F : 0.0F;
    }
  }
  PixelMap kernel = gaussian_blur(
      sharp, disk.alias_blur, (static_cast<double>(spread) + 0.01) / disk.alias_blur, Border::reflect_101);
  float sum = 0;
  for (const float weight : kernel.values) sum += weight;

  const PixelMap& image = scene.image;
  PixelMap result(image.height, image.width, image.channels);
  for (std::int64_t ky = -reach; ky <= reach; ++ky) {
    for (std::int64_t kx = -reach; kx <= reach; ++kx) {
      const float weight = kernel.at(ky + reach, kx + reach) / sum;
      if (weight == 0) continue;
      for (std::int64_t y = 0; y < image.height; ++y) {
        const std::int64_t from_y = inside(y + ky, image.height, Border::reflect_101);
        for (std::int64_t x = 0; x < image.width; ++x) {
          const std::int64_t from_x = inside(x + kx, image.width, Border::reflect_101);
          for (std::int64_t c = 0; c < image.channels; ++c)
            result.at(y, x, c) += weight * image.at(from_y, from_x, c);
        }
      }
    }
  }
  return result;
}

PixelMap glass_blur(Scene& scene) {
  struct Glass {
    double sigma;
    std::int64_t reach, rounds;
  };
  const Glass glass =
      scene.parameter<Glass>({{{0.05, 1, 1}, {0.25, 1, 1}, {0.4, 1, 1}, {0.25, 1, 2}, {0.4, 1, 2}}},
                             {{{0.7, 1, 2}, {0.9, 2, 1}, {1, 2, 3}, {1.1, 3, 2}, {1.5, 4, 2}}});
  constexpr double kTruncate = 4;
  PixelMap image = gaussian_blur(scene.image, glass.sigma, kTruncate, Border::clamp);
  // -reach .. reach - 1: the authors' randint leaves its upper end out.
  const auto draw = [&] {
    return static_cast<std::int64_t>(scene.random.below(static_cast<std::uint32_t>(2 * glass.reach))) -
           glass.reach;
  };
  for (std::int64_t round = 0; round < glass.rounds; ++round) {
    for (std::int64_t y = image.height - glass.reach; y > glass.reach; --y) {
      for (std::int64_t x = image.width - glass.reach; x > glass.reach; --x) {
        const std::int64_t dx = draw();
        const std::int64_t dy = draw();
        for (std::int64_t c = 0; c < image.channels; ++c) image.at(y, x, c) = image.at(y + dy, x + dx, c);
      }
    }
  }
  return gaussian_blur(image, glass.sigma, kTruncate, Border::clamp);
}

PixelMap motion_blur(Scene& scene) {
  struct Motion {
    std::int64_t radius;
    double sigma;
  };
  const Motion motion = scene.parameter<Motion>({{{6, 1}, {6, 1.5}, {6, 2}, {8, 2}, {9, 2.5}}},
                                                {{{10, 3}, {15, 5}, {15, 8}, {15, 12}, {20, 15}}});
  return motion_blur(scene.image, motion.radius, motion.sigma, scene.random.uniform(-45, 45));
}

PixelMap zoom_blur(Scene& scene) {
  struct Zoom {
    double stop, step;
  };
  const Zoom zoom =
      scene.parameter<Zoom>({{{1.06, 0.01}, {1.11, 0.01}, {1.16, 0.01}, {1.21, 0.01}, {1.26, 0.01}}},
                            {{{1.11, 0.01}, {1.16, 0.01}, {1.21, 0.02}, {1.26, 0.02}, {1.31, 0.03}}});
  // numpy's arange(1, stop, step), its rounding included: it lets some ends in.
  const auto count = static_cast<std::int64_t>(std::ceil((zoom.stop - 1) / zoom.step));
  PixelMap sum = scene.image;
  for (std::int64_t i = 0; i < count; ++i) {
    const PixelMap zoomed = clipped_zoom(scene.image, 1 + zoom.step * static_cast<double>(i));
    std::ranges::transform(sum.values, zoomed.values, sum.values.begin(), std::plus<>());
  }
  for (float& value : sum.values) value /= static_cast<float>(count + 1);
  return sum;
}

}  // namespace secateur::data::corruptions
