#include "secateur/processes.h"

#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace secateur::app {

std::shared_ptr<Processes> Processes::join() {
  auto processes = std::make_shared<Processes>();
  processes->launch_ = launch_from(process_environment());
  processes->communicator_ = secateur::join(processes->launch_);
  return processes;
}

std::string rank_prefix() {
  try {
    const Launch launch = launch_from(process_environment());
    return launch.way == Launch::Way::alone ? "" : fmt::format("rank {}: ", launch.rank);
  } catch (const Error&) {
    return "";  // the variables are what the error is about
  }
}

int fair_threads(const Launch& launch) {
  const int seen = omp_get_num_procs();
  const bool bound = seen < ::sysconf(_SC_NPROCESSORS_ONLN);
  if (launch.way == Launch::Way::alone || bound || std::getenv("OMP_NUM_THREADS") != nullptr) return 0;
  return std::max(seen / launch.local_size, 1);
}

}  // namespace secateur::app
