// The ten shapes of the synthetic set, as signed distance functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace secateur::data {

struct Point {
  float x = 0;
  float y = 0;
};

// Every shape has area 1 and its centroid at the origin, y pointing down as in an image: neither area nor
// position tells the classes apart.
class Shape2d {
 public:
  // Distance to the outline, negative inside. Exact for polygons, disc and ring; a close bound for the
  // others.
  [[nodiscard]] float distance(Point p) const;
  // Radius of the circle around the origin that holds the shape.
  [[nodiscard]] float radius() const { return radius_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  using Curve = float (*)(Point);
  // From a closed outline, or from a distance function; both inside [-1.3, 1.3]^2.
  Shape2d(std::string name, std::vector<Point> outline);
  Shape2d(std::string name, Curve curve);

 private:
  [[nodiscard]] float raw_distance(Point p) const;
  void center_and_scale();

  std::string name_;
  std::vector<Point> outline_;
  Curve curve_ = nullptr;
  Point centroid_;   // in the coordinates of outline or curve
  float scale_ = 1;  // from those to unit area
  float radius_ = 0;
};

// In the order of the class labels.
[[nodiscard]] const std::vector<Shape2d>& synthetic_shapes();

}  // namespace secateur::data
