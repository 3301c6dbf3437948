// Which of several results no other one beats in both of two measures, as a chart.
#pragma once

#include <string>
#include <vector>

namespace secateur::experiments {

// Larger is better in both.
struct ParetoPoint {
  double x = 0;
  double y = 0;
  bool operator==(const ParetoPoint&) const = default;
};

// The points that no other one equals or passes in both measures and passes in one; by ascending x, equal
// ones once.
[[nodiscard]] std::vector<ParetoPoint> pareto_front(std::vector<ParetoPoint> points);

// All points, and a line through the front.
[[nodiscard]] std::string pareto_chart(const std::vector<ParetoPoint>& points, const std::string& title,
                                       const std::string& x_label);

}  // namespace secateur::experiments
