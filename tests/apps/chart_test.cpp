// Charts as SVG: they stand alone, show what they were given, and keep within their borders.
#include "secateur/report/chart.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <sstream>

namespace secateur::report {
namespace {

std::vector<double> numbers_in(const std::string& svg, const std::regex& pattern) {
  std::vector<double> found;
  for (std::sregex_iterator at(svg.begin(), svg.end(), pattern), end; at != end; ++at) {
    found.push_back(std::stod((*at)[1]));
  }
  return found;
}

TEST(Chart, StandsAloneInPlainColours) {
  const std::string chart =
      line_chart({{.name = "loss", .points = {{0, 1}, {1, 2}}, .dots = true}}, {.title = "A"});
  const std::string file = standalone(chart);
  EXPECT_TRUE(file.starts_with("<svg"));
  EXPECT_EQ(file.find("var("), std::string::npos);
  EXPECT_NE(file.find(".chart .series { fill:none;"), std::string::npos);
  // Every class that the chart uses has a rule.
  const std::regex used("class=\"([a-z0-9 ]+)\"");
  for (std::sregex_iterator at(chart.begin(), chart.end(), used), end; at != end; ++at) {
    std::istringstream names((*at)[1]);
    for (std::string name; names >> name;) EXPECT_NE(file.find("." + name), std::string::npos) << name;
  }
}

TEST(Chart, LegendsWrapWithinTheChart) {
  std::vector<Series> many;
  for (int i = 0; i < 9; ++i) {
    many.push_back({.name = "thirty per cent of a layer", .points = {{0, static_cast<double>(i)}, {1, 2}}});
  }
  const std::string chart = line_chart(many, {.title = "A"});
  const std::vector<double> entries =
      numbers_in(chart, std::regex("<text class=\"tick\" x=\"([0-9.]+)\" y=\"[0-9]+\">thirty"));
  ASSERT_EQ(entries.size(), 9U);
  for (const double x : entries) EXPECT_LE(x + 26 * 6.6, 640);
  // The highest point of the curves stays below the last line of the legend.
  const std::vector<double> lines = numbers_in(chart, std::regex("y=\"([0-9]+)\">thirty"));
  const std::vector<double> starts = numbers_in(chart, std::regex("d=\"M[0-9.]+ ([0-9.]+)"));
  ASSERT_EQ(starts.size(), 9U);
  EXPECT_GT(*std::ranges::min_element(starts), *std::ranges::max_element(lines));
}

TEST(Chart, ADoublingAxisHasEqualStepsAndTicksAtPowersOfTwo) {
  const Series line{.name = "a", .points = {{16, 1}, {64, 2}, {1024, 3}}, .dots = true};
  const std::string chart = line_chart({line}, {.title = "A", .doubling_x = true});
  const std::vector<double> dots = numbers_in(chart, std::regex("<circle class=\"f0\" cx=\"([0-9.]+)"));
  ASSERT_EQ(dots.size(), 3U);
  EXPECT_NEAR(dots[1] - dots[0], (dots[2] - dots[0]) / 3, 0.11);
  const std::vector<double> ticks = numbers_in(chart, std::regex("text-anchor=\"middle\">([0-9]+)</text>"));
  EXPECT_EQ(ticks, (std::vector<double>{16, 32, 64, 128, 256, 512, 1024}));
}

TEST(Chart, BandsCoverTheDeviation) {
  const Series line{.name = "a", .points = {{0, 1}, {1, 3}}, .deviations = {0.5, 1}};
  const std::string chart = line_chart({line}, {.title = "A", .y_min = 0, .y_max = 4});
  std::smatch band;
  ASSERT_TRUE(std::regex_search(chart, band,
                                std::regex("class=\"band f0\" d=\"M([0-9.]+) ([0-9.]+)L[0-9.]+ "
                                           "([0-9.]+)L[0-9.]+ ([0-9.]+)L([0-9.]+) ([0-9.]+)Z\"")));
  // y runs from 44 (4) to 274 (0).
  const auto y = [](double value) { return 274 - value / 4 * 230; };
  EXPECT_NEAR(std::stod(band[2]), y(1.5), 0.06);
  EXPECT_NEAR(std::stod(band[3]), y(4), 0.06);
  EXPECT_NEAR(std::stod(band[4]), y(2), 0.06);
  EXPECT_NEAR(std::stod(band[6]), y(0.5), 0.06);
  EXPECT_EQ(band[1], band[5]);
  EXPECT_EQ(line_chart({{.name = "a", .points = {{0, 1}}}}, {}).find("band"), std::string::npos);
}

}  // namespace
}  // namespace secateur::report
