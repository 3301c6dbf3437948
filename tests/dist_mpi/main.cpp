// The tests of tests/dist in every process that mpirun started, as one job for all of them.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "job.h"

namespace secateur::test {
namespace {

std::unique_ptr<Communicator> world;

}  // namespace

void run_job(int /*size*/, const std::function<void(Communicator&)>& body) { body(*world); }
bool can_run_job(int size) { return world->size() == size; }

}  // namespace secateur::test

int main(int argc, char** argv) {
  using secateur::test::world;
  try {
    world = secateur::join_mpi();
    ::testing::InitGoogleTest(&argc, argv);
    if (world->rank() > 0) {
      // One file of results, one account of them; the other ranks end with their exit codes.
      ::testing::GTEST_FLAG(output) = "";
      auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
      delete listeners.Release(listeners.default_result_printer());
    }
    const bool failed = world->any(RUN_ALL_TESTS() != 0);
    world.reset();
    return failed ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
