// Times the kernel of an op case. For a benchmark program; OpRun alone serves where the program keeps time
// itself.
#pragma once

#include "selftest/op_run.h"

namespace secateur::selftest {

struct OpTiming {
  double forward_seconds = 0;   // of one call, the shortest of several
  double backward_seconds = 0;  // likewise
  std::int64_t macs = 0;        // multiply-adds of the forward pass
  std::int64_t bytes = 0;       // inputs, parameters and output
};

// Each pass runs at least three times and for `seconds`, after one call that warms up.
[[nodiscard]] OpTiming time_op(const OpCase& op_case, Device& device, Precision precision, double seconds);

}  // namespace secateur::selftest
