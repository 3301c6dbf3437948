#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "secateur/bench/bench_report.h"
#include "secateur/report/chart.h"

namespace secateur::bench {
namespace {

constexpr double kWidth = 860;
constexpr double kHeight = 520;
constexpr double kLeft = 76;
constexpr double kRight = 230;  // the legend
constexpr double kTop = 48;
constexpr double kBottom = 56;

// Colours that differ in hue and in lightness (Okabe and Ito 2008).
constexpr std::array<const char*, 7> kColours{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                              "#e69f00", "#56b4e9", "#000000"};

// Whole decades around the values that were included.
class Decades {
 public:
  void include(double value) {
    if (!(value > 0) || !std::isfinite(value)) return;
    low_ = std::min(low_, static_cast<int>(std::floor(std::log10(value))));
    high_ = std::max(high_, static_cast<int>(std::ceil(std::log10(value))));
  }
  [[nodiscard]] int low() const { return std::min(low_, high_ - 1); }
  [[nodiscard]] int high() const { return high_; }
  // Between 0 and 1.
  [[nodiscard]] double share(double value) const { return (std::log10(value) - low()) / (high_ - low()); }

 private:
  int low_ = 300;
  int high_ = -300;
};

struct Plane {
  Decades intensity;
  Decades rate;
  [[nodiscard]] double x(double value) const {
    return kLeft + intensity.share(value) * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double y(double value) const {
    return kHeight - kBottom - rate.share(value) * (kHeight - kTop - kBottom);
  }
};

std::string decade_text(int power) {
  if (power >= -1 && power <= 4) return fmt::format("{:g}", std::pow(10.0, power));
  return fmt::format("1e{}", power);
}

std::string axes(const Plane& plane) {
  std::string svg;
  for (int p = plane.intensity.low(); p <= plane.intensity.high(); ++p) {
    const double x = plane.x(std::pow(10.0, p));
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>"
        "<text x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4}</text>\n",
        x, kTop, kHeight - kBottom, kHeight - kBottom + 18, decade_text(p));
  }
  for (int p = plane.rate.low(); p <= plane.rate.high(); ++p) {
    const double y = plane.y(std::pow(10.0, p));
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
        kLeft, kWidth - kRight, y, kLeft - 8, y + 4, decade_text(p));
  }
  return svg;
}

// The roof under one arithmetic ceiling, from the left edge over the ridge to the right edge.
std::string roof(const Plane& plane, double bytes_per_second, double peak, const std::string& label) {
  const double left = std::pow(10.0, plane.intensity.low());
  const double right = std::pow(10.0, plane.intensity.high());
  const double ridge = std::clamp(peak / bytes_per_second, left, right);
  return fmt::format(
      "<polyline class=\"roof\" points=\"{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}\"/>"
      "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
      plane.x(left), plane.y(1e-9 * std::min(peak, left * bytes_per_second)), plane.x(ridge),
      plane.y(1e-9 * std::min(peak, ridge * bytes_per_second)), plane.x(right),
      plane.y(1e-9 * std::min(peak, right * bytes_per_second)), plane.x(right) - 4, plane.y(1e-9 * peak) - 6,
      label);
}

double intensity_of(const Result& result) { return result.work.operations / result.work.bytes; }
double gflops_of(const Result& result) { return 1e-9 * result.work.operations / result.median(); }

template <class T>
std::size_t index_in(std::vector<T>& known, const T& value) {
  const auto found = std::ranges::find(known, value);
  if (found == known.end()) known.push_back(value);
  return static_cast<std::size_t>(std::ranges::find(known, value) - known.begin());
}

// Colour tells kernels apart, the mark tells implementations apart: disc, ring, square, square's outline.
std::string mark(double x, double y, std::size_t kernel, std::size_t implementation,
                 const std::string& title) {
  const char* colour = kColours[kernel % kColours.size()];
  const char* fill = implementation % 2 == 0 ? colour : "none";
  const std::string style = fmt::format("fill=\"{}\" stroke=\"{}\" stroke-width=\"1.5\"", fill, colour);
  const std::string tip = title.empty() ? "" : fmt::format("<title>{}</title>", report::escaped(title));
  if (implementation % 4 < 2) {
    return fmt::format("<circle class=\"point\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" {}>{}</circle>\n", x, y,
                       style, tip);
  }
  return fmt::format(
      "<rect class=\"point\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"7\" height=\"7\" {}>{}</rect>\n", x - 3.5,
      y - 3.5, style, tip);
}

}  // namespace

std::string roofline_svg(const Report& report) {
  const Ceilings& ceilings = report.ceilings;
  Plane plane;
  plane.intensity.include(ceilings.fma_per_second / ceilings.bytes_per_second());
  plane.intensity.include(0.1);
  plane.rate.include(1e-9 * std::max(ceilings.fma_per_second, ceilings.tensor_per_second));
  for (const Result& result : report.results) {
    plane.intensity.include(intensity_of(result));
    if (result.work.operations > 0) plane.rate.include(gflops_of(result));
  }
  plane.rate.include(1e-10 * ceilings.bytes_per_second());

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\" "
      "aria-label=\"Roofline\">\n"
      "<style>text{{font:12px system-ui,sans-serif;fill:#222}} .grid{{stroke:#ddd}} "
      ".roof{{fill:none;stroke:#444;stroke-width:2}}</style>\n"
      "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"#fff\"/>\n"
      "<text x=\"{2:.0f}\" y=\"20\" style=\"font-size:15px\">Roofline: {3}</text>\n"
      "<text x=\"{2:.0f}\" y=\"38\">{4:.1f} GB/s and {5:.1f} GFLOP/s, measured in the same run; load {6:.1f} "
      "to "
      "{7:.1f}</text>\n",
      kWidth, kHeight, kLeft, report::escaped(report.device), 1e-9 * ceilings.bytes_per_second(),
      1e-9 * ceilings.fma_per_second, report.load_before, report.load_after);
  svg += axes(plane);
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">operations a byte</text>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 14);
  svg += fmt::format(
      "<text transform=\"translate(20 {:.1f}) rotate(-90)\" text-anchor=\"middle\">GFLOP/s</text>\n",
      (kTop + kHeight - kBottom) / 2);
  svg += roof(plane, ceilings.bytes_per_second(), ceilings.fma_per_second, "fp32 multiply-adds");
  if (ceilings.tensor_per_second > 0) {
    svg += roof(plane, ceilings.bytes_per_second(), ceilings.tensor_per_second, "tensor cores");
  }
  std::vector<std::string> kernels;
  std::vector<std::string> implementations;
  for (const Result& result : report.results) {
    if (result.work.operations <= 0) continue;  // moves only: no place on a logarithmic axis
    const std::size_t kernel = index_in(kernels, result.kernel);
    const std::size_t implementation = index_in(implementations, result.implementation);
    svg += mark(plane.x(intensity_of(result)), plane.y(gflops_of(result)), kernel, implementation,
                fmt::format("{} {}, {}: {:.1f} GFLOP/s", result.kernel, result.shape, result.implementation,
                            gflops_of(result)));
  }
  double y = kTop + 8;
  const double x = kWidth - kRight + 20;
  for (std::size_t i = 0; i < kernels.size(); ++i, y += 18) {
    svg += mark(x, y, i, 0, "") +
           fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x + 10, y + 4, kernels[i]);
  }
  y += 12;
  for (std::size_t i = 0; i < implementations.size(); ++i, y += 18) {
    svg += mark(x, y, 6, i, "") + fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x + 10, y + 4,
                                              report::escaped(implementations[i]));
  }
  return svg + "</svg>\n";
}

}  // namespace secateur::bench
