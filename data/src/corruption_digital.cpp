// Digital: contrast, elastic deformation, pixelation.
#include <algorithm>
#include <cmath>
#include <utility>

#include "corruption_map.h"

namespace secateur::data::corruptions {
namespace {

// Pillow's BOX filter along one axis: pixel i of the result is the mean of those whose centres lie within
// half its extent, rounded to 8 bits.
PixelMap box_resized(const PixelMap& map, std::int64_t size, bool along_x) {
  const std::int64_t from = along_x ? map.width : map.height;
  PixelMap result(along_x ? map.height : size, along_x ? size : map.width, map.channels);
  const double scale = static_cast<double>(from) / static_cast<double>(size);
  const double support = 0.5 * std::max(scale, 1.0);
  for (std::int64_t i = 0; i < size; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto first =
        std::max<std::int64_t>(static_cast<std::int64_t>(std::floor(center - support + 0.5)), 0);
    const auto end = std::min(static_cast<std::int64_t>(std::floor(center + support + 0.5)), from);
    for (std::int64_t line = 0; line < (along_x ? map.height : map.width); ++line) {
      for (std::int64_t c = 0; c < map.channels; ++c) {
        float sum = 0;
        for (std::int64_t j = first; j < end; ++j) sum += along_x ? map.at(line, j, c) : map.at(j, line, c);
        const float mean = std::round(255 * sum / static_cast<float>(end - first)) / 255;
        (along_x ? result.at(line, i, c) : result.at(i, line, c)) = mean;
      }
    }
  }
  return result;
}

struct Affine {
  double xx, xy, x0, yx, yy, y0;  // x' = xx x + xy y + x0, y' = yx x + yy y + y0
};

struct Point {
  double x, y;
};

// The map that takes three points to three others. Null where the points lie on a line.
Affine affine_between(const std::array<Point, 3>& from, const std::array<Point, 3>& to) {
  const double ax = from[1].x - from[0].x;
  const double ay = from[1].y - from[0].y;
  const double bx = from[2].x - from[0].x;
  const double by = from[2].y - from[0].y;
  const double determinant = ax * by - ay * bx;
  const auto row = [&](double p0, double p1, double p2) {
    const double x = ((p1 - p0) * by - (p2 - p0) * ay) / determinant;
    const double y = ((p2 - p0) * ax - (p1 - p0) * bx) / determinant;
    return std::array{x, y, p0 - x * from[0].x - y * from[0].y};
  };
  const auto [xx, xy, x0] = row(to[0].x, to[1].x, to[2].x);
  const auto [yx, yy, y0] = row(to[0].y, to[1].y, to[2].y);
  return {xx, xy, x0, yx, yy, y0};
}

// Uniform displacements, smoothed.
PixelMap displacements(const PixelMap& image, double strength, double sigma, RandomSequence& random) {
  PixelMap field(image.height, image.width, 1);
  for (float& value : field.values) value = static_cast<float>(random.uniform(-1, 1));
  constexpr double kTruncate = 3;
  field = gaussian_blur(field, sigma, kTruncate, Border::symmetric);
  for (float& value : field.values) value *= static_cast<float>(strength);
  return field;
}

}  // namespace

PixelMap contrast(Scene& scene) {
  const float factor =
      scene.parameter<float>({0.75F, 0.5F, 0.4F, 0.3F, 0.15F}, {0.4F, 0.3F, 0.2F, 0.1F, 0.05F});
  std::vector<float>& values = scene.image.values;
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0;
    for (std::size_t i = c; i < values.size(); i += 3) sum += values[i];
    const auto mean = static_cast<float>(3 * sum / static_cast<double>(values.size()));
    for (std::size_t i = c; i < values.size(); i += 3) values[i] = (values[i] - mean) * factor + mean;
  }
  return std::move(scene.image);
}

PixelMap elastic_transform(Scene& scene) {
  struct Elastic {
    double strength, sigma, affine;  // as parts of the side of the authors' images
  };
  const Elastic part = scene.parameter<Elastic>(
      {{{0, 0, 0.08}, {0.05, 0.2, 0.07}, {0.08, 0.06, 0.06}, {0.1, 0.04, 0.05}, {0.1, 0.03, 0.03}}},
      {{{2, 0.7, 0.1}, {2, 0.08, 0.2}, {0.05, 0.01, 0.02}, {0.07, 0.01, 0.02}, {0.12, 0.01, 0.02}}});
  const double side = scene.small ? 32 : 244;
  const PixelMap& image = scene.image;

  const std::int64_t middle_x = image.width / 2;
  const std::int64_t middle_y = image.height / 2;
  const std::int64_t third = std::min(image.height, image.width) / 3;
  const auto center_x = static_cast<double>(middle_x);
  const auto center_y = static_cast<double>(middle_y);
  const auto square = static_cast<double>(third);
  const std::array<Point, 3> corners{{{center_x + square, center_y + square},
                                      {center_x + square, center_y - square},
                                      {center_x - square, center_y - square}}};
  std::array<Point, 3> moved = corners;
  const double most = part.affine * side;
  for (Point& point : moved) {
    point.x += scene.random.uniform(-most, most);
    point.y += scene.random.uniform(-most, most);
  }
  const Affine back = affine_between(moved, corners);
  PixelMap skewed(image.height, image.width, image.channels);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      const auto px = static_cast<double>(x);
      const auto py = static_cast<double>(y);
      for (std::int64_t c = 0; c < image.channels; ++c) {
        skewed.at(y, x, c) = sample(image, back.yx * px + back.yy * py + back.y0,
                                    back.xx * px + back.xy * py + back.x0, c, Border::reflect_101);
      }
    }
  }

  const PixelMap dx = displacements(image, part.strength * side, part.sigma * side, scene.random);
  const PixelMap dy = displacements(image, part.strength * side, part.sigma * side, scene.random);
  PixelMap result(image.height, image.width, image.channels);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      for (std::int64_t c = 0; c < image.channels; ++c) {
        result.at(y, x, c) = sample(skewed, static_cast<double>(y) + dy.at(y, x),
                                    static_cast<double>(x) + dx.at(y, x), c, Border::symmetric);
      }
    }
  }
  return result;
}

PixelMap pixelate(Scene& scene) {
  const double part = scene.parameter<double>({0.95, 0.9, 0.85, 0.75, 0.65}, {0.6, 0.5, 0.4, 0.3, 0.25});
  const PixelMap& image = scene.image;
  const auto shrunk = [&](std::int64_t size) {
    return static_cast<std::int64_t>(static_cast<double>(size) * part);
  };
  const PixelMap low =
      box_resized(box_resized(image, shrunk(image.width), true), shrunk(image.height), false);
  return box_resized(box_resized(low, image.width, true), image.height, false);
}

}  // namespace secateur::data::corruptions
