#include "secateur/bench/bench.h"

#include <fnmatch.h>

#include <algorithm>

namespace secateur::bench {

double Result::median() const {
  std::vector<double> sorted = seconds;
  std::ranges::sort(sorted);
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double Result::least() const { return std::ranges::min(seconds); }
double Result::most() const { return std::ranges::max(seconds); }

bool selected(const BenchOptions& options, const std::string& kernel, const std::string& shape) {
  return ::fnmatch(options.kernel.c_str(), kernel.c_str(), 0) == 0 &&
         ::fnmatch(options.shape.c_str(), shape.c_str(), 0) == 0;
}

double floor_seconds(const Case& one, const Ceilings& ceilings, bool& memory_bound) {
  const double rate = one.tensor_cores && ceilings.tensor_per_second > 0 ? ceilings.tensor_per_second
                                                                         : ceilings.fma_per_second;
  const double moving = one.work.bytes / ceilings.bytes_per_second();
  const double computing = one.work.operations / rate;
  memory_bound = moving >= computing;
  return std::max(moving, computing);
}

#ifndef SECATEUR_WITH_CUDA
std::unique_ptr<Machine> make_cuda_machine(std::string& reason) {
  reason = "this is the build without CUDA";
  return nullptr;
}
#endif

}  // namespace secateur::bench
