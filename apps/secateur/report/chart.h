// Charts as SVG text, for reports that must stand alone: no script, no font, no network. Colours follow the
// page's CSS variables (--series-0 ... --series-5, --ink, --grid), so that a page can be read in light and in
// dark.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace secateur::report {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // ascending x; NaN breaks the line
  bool dashed = false;
  bool dots = false;                    // a mark at every point
  std::vector<double> deviations = {};  // one a point: a band around the line; or none
};

struct ChartOptions {
  std::string title;
  std::string x_label = "";
  std::string y_label = "";
  std::optional<double> y_min = {};
  std::optional<double> y_max = {};
  std::vector<double> marks = {};  // vertical lines, e.g. where a round of pruning removed channels
  std::string mark_label = "";
  bool whole_x = true;      // the x axis counts something: epochs, rounds, layers
  bool doubling_x = false;  // equal steps of the x axis double it; all x are positive
};

// Lines over a common axis, with axes, units and a legend.
[[nodiscard]] std::string line_chart(const std::vector<Series>& series, const ChartOptions& options);

// One layer's width before and after.
struct WidthBar {
  std::string name;
  double before = 0;
  double after = 0;
};
// Pairs of bars, one a layer: the outline is what there was, the fill what is left.
[[nodiscard]] std::string width_chart(const std::vector<WidthBar>& bars, const ChartOptions& options);

// The rules that charts in a page need, and the page's variables for them in light: "--ink:#1f2933; ...".
[[nodiscard]] std::string chart_style();
[[nodiscard]] std::string light_colours();
// A chart as a file of its own, in light colours.
[[nodiscard]] std::string standalone(const std::string& svg);

// Text with &, <, > and quotes made safe for HTML and SVG.
[[nodiscard]] std::string escaped(const std::string& text);

// About `count` round numbers that cover [low, high].
[[nodiscard]] std::vector<double> round_ticks(double low, double high, int count);

}  // namespace secateur::report
