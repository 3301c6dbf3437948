#include "experiments/pareto.h"

#include <algorithm>
#include <limits>

#include "secateur/report/chart.h"

namespace secateur::experiments {

std::vector<ParetoPoint> pareto_front(std::vector<ParetoPoint> points) {
  // From the right: a point is on the front where it is higher than all that lie further right.
  std::ranges::sort(
      points, [](const ParetoPoint& a, const ParetoPoint& b) { return a.x != b.x ? a.x > b.x : a.y > b.y; });
  std::vector<ParetoPoint> front;
  for (const ParetoPoint& point : points) {
    if (front.empty() || point.y > front.back().y) front.push_back(point);
  }
  std::ranges::reverse(front);
  return front;
}

std::string pareto_chart(const std::vector<ParetoPoint>& points, const std::string& title,
                         const std::string& x_label) {
  std::vector<ParetoPoint> sorted = points;
  std::ranges::sort(sorted, {}, &ParetoPoint::x);
  report::Series all{.name = "runs, mean over seeds", .points = {}, .dots = true};
  for (const ParetoPoint& point : sorted) {
    all.points.emplace_back(point.x, point.y);
    all.points.emplace_back(point.x, std::numeric_limits<double>::quiet_NaN());  // no line to the next
  }
  report::Series front{.name = "not beaten in both", .points = {}, .dashed = true};
  for (const ParetoPoint& point : pareto_front(points)) front.points.emplace_back(point.x, point.y);
  return report::line_chart({all, front},
                            {.title = title, .x_label = x_label, .y_label = "top-1 (%)", .whole_x = false});
}

}  // namespace secateur::experiments
