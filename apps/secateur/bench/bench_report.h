// What was measured, for the terminal, as JSON, and as a roofline (Williams, Waterman and Patterson 2009) in
// SVG.
#pragma once

#include <string>
#include <vector>

#include "secateur/bench/bench.h"

namespace secateur::bench {

struct Report {
  std::string device_kind;
  std::string device;
  std::string libraries;   // of the contenders
  std::string started;     // UTC, ISO 8601
  double load_before = 0;  // processes that ran on this machine in the last minute, this one's own included
  double load_after = 0;
  BenchOptions options;
  Ceilings ceilings;
  std::vector<Result> results;  // contenders of a case one after the other
};

[[nodiscard]] std::string terminal_table(const std::vector<Result>& results);

// {"schema": 1, "machine": {...}, "build": {...}, "settings": {...}, "ceilings": {...}, "results": [...]};
// times in seconds, every run of every implementation.
[[nodiscard]] std::string json_text(const Report& report);

// Operations a second over operations a byte, both logarithmic: the roof, and a point an implementation.
[[nodiscard]] std::string roofline_svg(const Report& report);

}  // namespace secateur::bench
