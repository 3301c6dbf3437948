#include "selftest/op_benchmark.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace secateur::selftest {
namespace {

template <class Pass>
double shortest(OpRun& run, double seconds, Pass&& pass) {
  using Clock = std::chrono::steady_clock;
  pass();
  run.synchronize();
  double best = std::numeric_limits<double>::max();
  double total = 0;
  for (int calls = 0; calls < 3 || total < seconds; ++calls) {
    const auto begin = Clock::now();
    pass();
    run.synchronize();
    const double taken = std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::min(best, taken);
    total += taken;
  }
  return best;
}

}  // namespace

OpTiming time_op(const OpCase& op_case, Device& device, Precision precision, double seconds) {
  OpRun run(op_case, make_data(op_case, 1, precision), device, precision, true);
  OpTiming timing{.macs = run.macs(), .bytes = run.bytes()};
  timing.forward_seconds = shortest(run, seconds, [&] { run.forward(); });
  timing.backward_seconds = shortest(run, seconds, [&] { run.backward(); });
  return timing;
}

}  // namespace secateur::selftest
