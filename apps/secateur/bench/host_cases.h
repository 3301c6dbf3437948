// What is measured on the processor: the engine's own kernels, plain loops in one thread, and oneDNN, all in
// fp32.
#pragma once

#include <vector>

#include "secateur/bench/bench.h"

namespace secateur::bench {

[[nodiscard]] std::vector<Case> host_cases(const BenchOptions& options);

}  // namespace secateur::bench
