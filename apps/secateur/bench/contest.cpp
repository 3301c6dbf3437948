#include "secateur/bench/contest.h"

#include <fmt/chrono.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <limits>

namespace secateur::bench {

double Timing::median() const {
  std::vector<double> sorted = seconds;
  std::ranges::sort(sorted);
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

double Timing::least() const { return *std::ranges::min_element(seconds); }
double Timing::most() const { return *std::ranges::max_element(seconds); }

std::vector<Timing> take_turns(const std::vector<Turn>& contenders, std::int64_t blocks) {
  std::vector<Timing> timings;
  for (const Turn& turn : contenders) {
    turn.block();
    timings.push_back({turn.name, {}});
  }
  for (std::int64_t block = 0; block < blocks; ++block) {
    for (std::size_t i = 0; i < contenders.size(); ++i) timings[i].seconds.push_back(contenders[i].block());
  }
  return timings;
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * std::int64_t{1024} : 0;
}

double load_average() {
  double load = 0;
  return ::getloadavg(&load, 1) == 1 ? load : std::numeric_limits<double>::quiet_NaN();
}

std::string time_now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace secateur::bench
