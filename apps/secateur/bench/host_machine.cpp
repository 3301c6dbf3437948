// The processor: its ceilings, and how runs on it are timed.
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include "secateur/bench/bench.h"
#include "secateur/bench/host_array.h"
#include "secateur/bench/host_cases.h"
#include "secateur/core/device.h"

namespace secateur::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Calls `body` until `seconds` are over, three times at least; the shortest.
template <class Body>
double best_of(double seconds, const Body& body) {
  const auto begin = Clock::now();
  double best = 1e300;
  for (int run = 0; run < 3 || seconds_since(begin) < seconds; ++run) {
    const auto start = Clock::now();
    body();
    best = std::min(best, seconds_since(start));
  }
  return best;
}

// Of the last cache that a core reaches. Not sysconf: it adds up the caches of cores that a virtual machine
// lacks.
std::int64_t cache_bytes() {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");  // "32768K"
  std::int64_t kibibytes = 0;
  if (file >> kibibytes && kibibytes > 0) return kibibytes << 10;
  constexpr std::int64_t kGuess = std::int64_t{32} << 20;
  return kGuess;
}

float fused(float a, float b, float c) {
#ifdef __FMA__
  return std::fma(a, b, c);
#else
  return a * b + c;  // without the instruction std::fma is a call of a hundred cycles
#endif
}

// Multiply-adds in registers: enough independent chains to cover their latency. Returns operations done.
double multiply_adds(std::int64_t rounds, float& sink) {
  constexpr int kChains = 96;  // 12 vectors of 8, of which 16 are there
  double operations = 0;
  float total = 0;
#pragma omp parallel reduction(+ : operations, total)
  {
    float chain[kChains];
    float first = 0.5F;
    for (float& value : chain) value = first += 0.001F;
    for (std::int64_t r = 0; r < rounds; ++r) {
      for (float& value : chain) value = fused(value, 0.999F, 0.0005F);
    }
    for (const float value : chain) total += value;
    operations += 2.0 * kChains * static_cast<double>(rounds);
  }
  sink = total;
  return operations;
}

class HostMachine final : public Machine {
 public:
  HostMachine() : sweep_(2 * cache_bytes() / static_cast<std::int64_t>(sizeof(float)), 99) {}

  std::string kind() const override { return "cpu"; }

  std::string description() const override {
    return fmt::format("{}, {} threads", make_host_device(DeviceKind::cpu)->description(),
                       omp_get_max_threads());
  }

  Ceilings ceilings(double seconds) override {
    Ceilings result;
    const std::int64_t count = 4 * cache_bytes() / static_cast<std::int64_t>(sizeof(float));
    const HostArray a(count, 1);
    const HostArray b(count, 2);
    const HostArray c(count, 3);
    const float* x = a.data();
    const float* y = b.data();
    float* z = c.data();
    const double bytes = static_cast<double>(count) * sizeof(float);
    const double copy = best_of(seconds, [&] {
#pragma omp parallel for simd schedule(static)
      for (std::int64_t i = 0; i < count; ++i) z[i] = x[i];
    });
    const double triad = best_of(seconds, [&] {
#pragma omp parallel for simd schedule(static)
      for (std::int64_t i = 0; i < count; ++i) z[i] = x[i] + 1.5F * y[i];
    });
    result.copy_bytes_per_second = 2 * bytes / copy;
    result.triad_bytes_per_second = 3 * bytes / triad;
    constexpr std::int64_t kRounds = 200000;
    double operations = 0;
    const double fma = best_of(seconds, [&] { operations = multiply_adds(kRounds, sink_); });
    result.fma_per_second = operations / fma;
    return result;
  }

  std::vector<double> time(const Runner& runner, double seconds) override {
    const auto run = [&] {
      sweep();
      const auto start = Clock::now();
      runner.run();
      return seconds_since(start);
    };
    // The first run makes pages present and tables warm; it counts only where it alone takes all the time
    // there is.
    const double first = run();
    if (first >= seconds) return {first};
    constexpr std::size_t kLeast = 3;
    std::vector<double> times;
    for (const auto begin = Clock::now(); times.size() < kLeast || seconds_since(begin) < seconds;) {
      times.push_back(run());
    }
    return times;
  }

  std::vector<Case> cases(const BenchOptions& options) override { return host_cases(options); }

 private:
  // Writes twice what the last cache holds.
  void sweep() {
    float* values = sweep_.data();
    const std::int64_t count = sweep_.count();
#pragma omp parallel for simd schedule(static)
    for (std::int64_t i = 0; i < count; ++i) values[i] += 1.0F;
  }

  HostArray sweep_;
  float sink_ = 0;
};

}  // namespace

std::unique_ptr<Machine> make_host_machine() { return std::make_unique<HostMachine>(); }

}  // namespace secateur::bench
