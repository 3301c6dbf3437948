#include "shapes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace secateur::data {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;

float length(float x, float y) { return std::sqrt(x * x + y * y); }

float disc(Point p) { return length(p.x, p.y) - 1.0F; }

float ring(Point p) { return std::abs(length(p.x, p.y) - 0.8F) - 0.2F; }

float crescent(Point p) { return std::max(length(p.x, p.y) - 1.0F, 0.82F - length(p.x - 0.52F, p.y)); }

// Inigo Quilez, "2D distance functions" (heart), turned to stand upright in an image.
float heart(Point p) {
  const float x = std::abs(p.x);
  const float y = 0.6F - p.y;
  if (x + y > 1.0F) return length(x - 0.25F, y - 0.75F) - std::sqrt(2.0F) / 4.0F;
  const float along = 0.5F * std::max(x + y, 0.0F);
  const float squared =
      std::min(x * x + (y - 1.0F) * (y - 1.0F), (x - along) * (x - along) + (y - along) * (y - along));
  return std::copysign(std::sqrt(squared), x - y);
}

// Corners alternate between the radii 1 and `inner`; `inner` = 1 gives a regular polygon of 2 * points
// corners.
std::vector<Point> star_outline(int points, float inner) {
  std::vector<Point> outline;
  for (int i = 0; i < 2 * points; ++i) {
    const float radius = i % 2 == 0 ? 1.0F : inner;
    const float angle = kPi * static_cast<float>(i) / static_cast<float>(points) - kPi / 2.0F;
    outline.push_back({radius * std::cos(angle), radius * std::sin(angle)});
  }
  return outline;
}

std::vector<Point> triangle_outline() {
  const float half = std::sqrt(3.0F) / 2.0F;
  return {{0, -1}, {half, 0.5F}, {-half, 0.5F}};
}

std::vector<Point> square_outline() { return {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}}; }

std::vector<Point> plus_outline() {
  constexpr float w = 0.32F;
  return {{-w, -1}, {w, -1}, {w, -w}, {1, -w}, {1, w},   {w, w},
          {w, 1},   {-w, 1}, {-w, w}, {-1, w}, {-1, -w}, {-w, -w}};
}

std::vector<Point> arrow_outline() {
  return {{-1, -0.22F},   {0.05F, -0.22F}, {0.05F, -0.72F}, {1, 0},
          {0.05F, 0.72F}, {0.05F, 0.22F},  {-1, 0.22F}};
}

std::vector<Point> hourglass_outline() {
  return {{-0.72F, -1}, {0.72F, -1}, {0.1F, 0}, {0.72F, 1}, {-0.72F, 1}, {-0.1F, 0}};
}

// Distance to a polygon; the sign by the even-odd rule.
float polygon_distance(const std::vector<Point>& outline, Point p) {
  float squared = std::numeric_limits<float>::max();
  bool inside = false;
  for (std::size_t i = 0, j = outline.size() - 1; i < outline.size(); j = i++) {
    const Point a = outline[i];
    const Point b = outline[j];
    const Point edge{b.x - a.x, b.y - a.y};
    const Point from{p.x - a.x, p.y - a.y};
    const float t =
        std::clamp((from.x * edge.x + from.y * edge.y) / (edge.x * edge.x + edge.y * edge.y), 0.0F, 1.0F);
    const Point gap{from.x - edge.x * t, from.y - edge.y * t};
    squared = std::min(squared, gap.x * gap.x + gap.y * gap.y);
    if ((a.y > p.y) != (b.y > p.y) && p.x < edge.x * (p.y - a.y) / edge.y + a.x) inside = !inside;
  }
  const float distance = std::sqrt(squared);
  return inside ? -distance : distance;
}

}  // namespace

Shape2d::Shape2d(std::string name, std::vector<Point> outline)
    : name_(std::move(name)), outline_(std::move(outline)) {
  center_and_scale();
}

Shape2d::Shape2d(std::string name, Curve curve) : name_(std::move(name)), curve_(curve) {
  center_and_scale();
}

float Shape2d::raw_distance(Point p) const {
  return curve_ != nullptr ? curve_(p) : polygon_distance(outline_, p);
}

float Shape2d::distance(Point p) const {
  return scale_ * raw_distance({p.x / scale_ + centroid_.x, p.y / scale_ + centroid_.y});
}

void Shape2d::center_and_scale() {
  constexpr int kCells = 208;
  constexpr float kExtent = 1.3F;
  constexpr float kStep = 2 * kExtent / kCells;
  std::vector<Point> inside;
  double sum_x = 0;
  double sum_y = 0;
  for (int row = 0; row < kCells; ++row) {
    for (int column = 0; column < kCells; ++column) {
      const Point p{(static_cast<float>(column) + 0.5F) * kStep - kExtent,
                    (static_cast<float>(row) + 0.5F) * kStep - kExtent};
      if (raw_distance(p) > 0) continue;
      inside.push_back(p);
      sum_x += p.x;
      sum_y += p.y;
    }
  }
  const auto count = static_cast<double>(inside.size());
  centroid_ = {static_cast<float>(sum_x / count), static_cast<float>(sum_y / count)};
  scale_ = 1.0F / (std::sqrt(static_cast<float>(count)) * kStep);
  for (const Point p : inside) radius_ = std::max(radius_, length(p.x - centroid_.x, p.y - centroid_.y));
  radius_ = (radius_ + kStep) * scale_;
}

const std::vector<Shape2d>& synthetic_shapes() {
  static const std::vector<Shape2d> shapes{
      {"disc", disc},
      {"ring", ring},
      {"crescent", crescent},
      {"heart", heart},
      {"triangle", triangle_outline()},
      {"square", square_outline()},
      {"star", star_outline(5, 0.45F)},
      {"plus", plus_outline()},
      {"arrow", arrow_outline()},
      {"hourglass", hourglass_outline()},
  };
  return shapes;
}

}  // namespace secateur::data
