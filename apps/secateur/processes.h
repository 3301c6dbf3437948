// The processes that do one run together, started by mpirun or with RANK and WORLD_SIZE set. The first of
// them writes files and speaks; the others are silent but for errors.
#pragma once

#include <memory>
#include <string>

#include "secateur/dist/launch.h"

namespace secateur::app {

class Processes {
 public:
  // Joins the job that the environment tells of; waits until all have come. Throws Error as join() does.
  static std::shared_ptr<Processes> join();

  // Null where there is one process.
  [[nodiscard]] Communicator* communicator() const { return communicator_.get(); }
  [[nodiscard]] bool first() const { return communicator_ == nullptr || communicator_->rank() == 0; }
  [[nodiscard]] const Launch& launch() const { return launch_; }

 private:
  Launch launch_;
  std::unique_ptr<Communicator> communicator_;
};

// "rank 1: " in a job of several processes, before any of them was joined too; "" in a process alone.
[[nodiscard]] std::string rank_prefix();

// Threads that this process may use when the user names no number: an equal part of the machine's, where all
// of its processes see all processors and OMP_NUM_THREADS is not set. 0: as OpenMP has it.
[[nodiscard]] int fair_threads(const Launch& launch);

}  // namespace secateur::app
