#include "secateur/bench/contest.h"

#include <fmt/chrono.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <limits>

namespace secateur::bench {

namespace {

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

double Timing::median() const { return median_of(seconds); }
double Timing::cpu_median() const { return median_of(cpu_seconds); }
double Timing::least() const { return *std::ranges::min_element(seconds); }
double Timing::most() const { return *std::ranges::max_element(seconds); }

std::vector<Timing> take_turns(const std::vector<Turn>& contenders, std::int64_t blocks) {
  std::vector<Timing> timings;
  for (const Turn& turn : contenders) {
    turn.block();
    timings.push_back({turn.name, {}, {}});
  }
  for (std::int64_t block = 0; block < blocks; ++block) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const BlockTime time = contenders[i].block();
      timings[i].seconds.push_back(time.seconds);
      timings[i].cpu_seconds.push_back(time.cpu_seconds);
    }
  }
  return timings;
}

double cpu_seconds() {
  timespec time{};
  constexpr double kNano = 1e-9;
  return ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0
             ? static_cast<double>(time.tv_sec) + kNano * static_cast<double>(time.tv_nsec)
             : 0;
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
