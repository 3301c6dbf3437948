#include "secateur/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>

namespace secateur::report {
namespace {

constexpr double kWidth = 640;
constexpr double kHeight = 320;
constexpr double kLeft = 62;
constexpr double kRight = 16;
constexpr double kTop = 44;  // with one line of legend
constexpr double kLegendLine = 16;
constexpr double kBottom = 46;

// Name and value of a page's colours in light.
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kColours{{{"--ink", "#1f2933"},
                                                                                  {"--soft", "#52606d"},
                                                                                  {"--grid", "#e4e7eb"},
                                                                                  {"--paper", "#ffffff"},
                                                                                  {"--card", "#f7f9fa"},
                                                                                  {"--series-0", "#2f6f4f"},
                                                                                  {"--series-1", "#c05621"},
                                                                                  {"--series-2", "#2b6cb0"},
                                                                                  {"--series-3", "#805ad5"},
                                                                                  {"--series-4", "#b7791f"},
                                                                                  {"--series-5", "#718096"}}};

constexpr const char* kStyle =
    R"css(.chart text { fill:var(--ink); } .chart .title { font-size:14px; font-weight:600; }
.chart .tick { font-size:11px; fill:var(--soft); } .chart .label { font-size:12px; fill:var(--soft); }
.chart .grid { stroke:var(--grid); stroke-width:1; } .chart .mark { stroke:var(--soft); stroke-width:1; stroke-dasharray:2 4; }
.chart .series { fill:none; stroke-width:2; stroke-linejoin:round; } .chart .dashed { stroke-dasharray:6 4; }
.chart .band { stroke:none; opacity:.15; }
.s0{stroke:var(--series-0)} .s1{stroke:var(--series-1)} .s2{stroke:var(--series-2)} .s3{stroke:var(--series-3)} .s4{stroke:var(--series-4)} .s5{stroke:var(--series-5)}
.f0{fill:var(--series-0)} .f1{fill:var(--series-1)} .f2{fill:var(--series-2)} .f3{fill:var(--series-3)} .f4{fill:var(--series-4)} .f5{fill:var(--series-5)}
.chart .before { fill:none; stroke:var(--soft); stroke-width:1; } .chart .after { fill:var(--series-0); }
)css";

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // A range that can be divided by, also when nothing or a single value was included.
  void make_usable() {
    if (low > high) *this = {0, 1};
    if (low == high) {
      low -= 0.5;
      high += 0.5;
    }
  }
};

class Axes {
 public:
  Axes(Range x, Range y, double width, double top = kTop, bool doubling = false)
      : x_(x), y_(y), width_(width), top_(top), doubling_(doubling) {}
  [[nodiscard]] double x(double value) const {
    const double part = doubling_ ? std::log(value / x_.low) / std::log(x_.high / x_.low)
                                  : (value - x_.low) / (x_.high - x_.low);
    return kLeft + part * (width_ - kLeft - kRight);
  }
  [[nodiscard]] double y(double value) const {
    return kHeight - kBottom - (value - y_.low) / (y_.high - y_.low) * (kHeight - top_ - kBottom);
  }
  [[nodiscard]] double top() const { return top_; }
  [[nodiscard]] const Range& x_range() const { return x_; }
  [[nodiscard]] const Range& y_range() const { return y_; }
  [[nodiscard]] double width() const { return width_; }
  [[nodiscard]] bool doubling() const { return doubling_; }

 private:
  Range x_, y_;
  double width_;
  double top_;
  bool doubling_;
};

std::string head(const ChartOptions& options, double width) {
  return fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\" aria-label=\"{2}\" "
      "xmlns=\"http://www.w3.org/2000/svg\">\n<text class=\"title\" x=\"{3:.0f}\" y=\"18\">{2}</text>\n",
      width, kHeight, escaped(options.title), kLeft);
}

std::string labels(const ChartOptions& options, double width) {
  return fmt::format(
      "<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n"
      "<text class=\"label\" transform=\"translate(14 {:.1f}) rotate(-90)\" "
      "text-anchor=\"middle\">{}</text>\n",
      (kLeft + width - kRight) / 2, kHeight - 8, escaped(options.x_label), (kTop + kHeight - kBottom) / 2,
      escaped(options.y_label));
}

std::string y_grid(const Axes& axes) {
  std::string svg;
  for (const double tick : round_ticks(axes.y_range().low, axes.y_range().high, 5)) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text class=\"tick\" x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:g}</text>\n",
        kLeft, axes.width() - kRight, axes.y(tick), kLeft - 6, axes.y(tick) + 4, tick);
  }
  return svg;
}

// Powers of two.
std::vector<double> doubling_ticks(double low, double high) {
  std::vector<double> ticks;
  for (double tick = std::exp2(std::ceil(std::log2(low))); tick <= high; tick *= 2) ticks.push_back(tick);
  return ticks;
}

std::string x_ticks(const Axes& axes, bool whole) {
  std::string svg;
  const auto [low, high] = axes.x_range();
  for (const double tick : axes.doubling() ? doubling_ticks(low, high) : round_ticks(low, high, 8)) {
    if (whole && tick != std::round(tick)) continue;
    svg += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:g}</text>\n",
                       axes.x(tick), kHeight - kBottom + 16, tick);
  }
  return svg;
}

std::string path_of(const Series& series, const Axes& axes) {
  std::string path;
  bool pen_down = false;
  for (const auto& [x, y] : series.points) {
    if (!std::isfinite(x) || !std::isfinite(y)) {
      pen_down = false;
      continue;
    }
    path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", axes.x(x), axes.y(y));
    pen_down = true;
  }
  return path;
}

// The area within a deviation of the line.
std::string band_of(const Series& series, const Axes& axes) {
  if (series.deviations.empty() || series.deviations.size() != series.points.size()) return "";
  const std::size_t count = series.points.size();
  std::string path;
  for (std::size_t i = 0; i < 2 * count; ++i) {  // along the upper border, and back along the lower one
    const bool upper = i < count;
    const std::size_t point = upper ? i : 2 * count - 1 - i;
    const auto& [x, y] = series.points[point];
    const double deviation = series.deviations[point];
    if (!std::isfinite(x) || !std::isfinite(y) || !std::isfinite(deviation)) return "";
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", axes.x(x),
                        axes.y(upper ? y + deviation : y - deviation));
  }
  return path + "Z";
}

// Where the entries of a legend stand, line by line.
struct Legend {
  std::vector<std::pair<double, double>> places;
  double lines = 1;

  Legend(const std::vector<Series>& series, double right) {
    double x = kLeft;
    for (const Series& line : series) {
      const double width = 45 + 6.6 * static_cast<double>(line.name.size());
      if (x > kLeft && x + width > right) {
        x = kLeft;
        ++lines;
      }
      places.emplace_back(x, 32 + kLegendLine * (lines - 1));
      x += width;
    }
  }

  [[nodiscard]] std::string svg(const std::vector<Series>& series) const {
    std::string text;
    for (std::size_t i = 0; i < series.size(); ++i) {
      const auto [x, y] = places[i];
      text += fmt::format(
          "<line class=\"series s{0}{1}\" x1=\"{2:.0f}\" x2=\"{3:.0f}\" y1=\"{6:.0f}\" y2=\"{6:.0f}\"/>"
          "<text class=\"tick\" x=\"{4:.0f}\" y=\"{7:.0f}\">{5}</text>\n",
          i % 6, series[i].dashed ? " dashed" : "", x, x + 20, x + 25, escaped(series[i].name), y, y + 4);
    }
    return text;
  }
};

}  // namespace

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string chart_style() { return kStyle; }

std::string light_colours() {
  std::string text;
  for (const auto& [name, value] : kColours) text += fmt::format("{}:{}; ", name, value);
  return text;
}

std::string standalone(const std::string& svg) {
  std::string style = kStyle;
  for (const auto& [name, value] : kColours) {
    const std::string use = fmt::format("var({})", name);
    for (std::size_t at = style.find(use); at != std::string::npos; at = style.find(use)) {
      style.replace(at, use.size(), value);
    }
  }
  const std::size_t after_head = svg.find('>') + 1;
  return fmt::format("{}\n<style>\n.chart text {{ font-family:sans-serif; }}\n{}</style>{}",
                     svg.substr(0, after_head), style, svg.substr(after_head));
}

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(count, 1);
  const double magnitude = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * magnitude;
  for (const double candidate : {1.0, 2.0, 2.5, 5.0}) {
    if (candidate * magnitude >= rough) {
      step = candidate * magnitude;
      break;
    }
  }
  std::vector<double> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) {
    ticks.push_back(k == 0 ? 0 : k * step);
  }
  return ticks;
}

std::string line_chart(const std::vector<Series>& series, const ChartOptions& options) {
  Range x;
  Range y;
  for (const Series& line : series) {
    for (std::size_t i = 0; i < line.points.size(); ++i) {
      const auto& [px, py] = line.points[i];
      const double deviation = i < line.deviations.size() ? line.deviations[i] : 0;
      x.include(px);
      y.include(py - deviation);
      y.include(py + deviation);
    }
  }
  if (options.y_min) y.low = *options.y_min;
  if (options.y_max) y.high = *options.y_max;
  x.make_usable();
  y.make_usable();
  if (!options.y_min) y.low -= 0.04 * (y.high - y.low);
  if (!options.y_max) y.high += 0.04 * (y.high - y.low);
  // What the marks are is told in the same place, to the right.
  const bool marked = !options.marks.empty() && !options.mark_label.empty();
  const double mark_width = marked ? 30 + 6.6 * static_cast<double>(options.mark_label.size()) : 0;
  const Legend legend(series, kWidth - kRight - mark_width);
  const Axes axes(x, y, kWidth, kTop + kLegendLine * (legend.lines - 1), options.doubling_x);

  std::string svg =
      head(options, kWidth) + y_grid(axes) + x_ticks(axes, options.whole_x) + labels(options, kWidth);
  for (const double mark : options.marks) {
    if (mark < x.low || mark > x.high) continue;
    svg += fmt::format("<line class=\"mark\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>\n",
                       axes.x(mark), axes.top(), kHeight - kBottom);
  }
  if (marked) {
    svg += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"36\" text-anchor=\"end\">{}</text>\n",
                       kWidth - kRight, escaped("¦ " + options.mark_label));
  }
  for (std::size_t i = 0; i < series.size(); ++i) {
    if (const std::string band = band_of(series[i], axes); !band.empty()) {
      svg += fmt::format("<path class=\"band f{}\" d=\"{}\"/>\n", i % 6, band);
    }
    svg += fmt::format("<path class=\"series s{}{}\" d=\"{}\"/>\n", i % 6, series[i].dashed ? " dashed" : "",
                       path_of(series[i], axes));
    if (!series[i].dots) continue;
    for (const auto& [px, py] : series[i].points) {
      if (!std::isfinite(py)) continue;
      svg += fmt::format(
          "<circle class=\"f{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"><title>{}: {:g}, {:g}</title>"
          "</circle>\n",
          i % 6, axes.x(px), axes.y(py), escaped(series[i].name), px, py);
    }
  }
  return svg + legend.svg(series) + "</svg>\n";
}

std::string width_chart(const std::vector<WidthBar>& bars, const ChartOptions& options) {
  constexpr double kSlot = 26;
  const double width = std::max(kWidth, kLeft + kRight + kSlot * static_cast<double>(bars.size()));
  Range y{0, 1};
  for (const WidthBar& bar : bars) y.include(bar.before);
  const Axes axes({0, std::max<double>(1, static_cast<double>(bars.size()))}, y, width);
  std::string svg = head(options, width) + y_grid(axes) + labels(options, width);
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double left = axes.x(static_cast<double>(i) + 0.15);
    const double bar_width = axes.x(static_cast<double>(i) + 0.85) - left;
    const auto rectangle = [&](double height, const char* style) {
      return fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>",
                         style, left, axes.y(height), bar_width, axes.y(0) - axes.y(height));
    };
    svg += fmt::format("<g><title>{}: {:g} of {:g} channels</title>{}{}</g>\n", escaped(bars[i].name),
                       bars[i].after, bars[i].before, rectangle(bars[i].before, "before"),
                       rectangle(bars[i].after, "after"));
    if (bars.size() <= 60) {
      svg += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                         left + bar_width / 2, kHeight - kBottom + 16, i + 1);
    }
  }
  return svg + "</svg>\n";
}

}  // namespace secateur::report
