// What is measured on the GPU: the kernels of secateur::kernels, in the precision asked for.
#pragma once

#include <vector>

#include "secateur/bench/bench.h"
#include "secateur/kernels/types.h"

namespace secateur::bench {

[[nodiscard]] std::vector<Case> cuda_cases(const BenchOptions& options, kernels::StreamHandle stream);

}  // namespace secateur::bench
