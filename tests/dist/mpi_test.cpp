// The tests of this folder once more, by two processes that mpirun starts.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "secateur/dist/launch.h"
#include "test_paths.h"

namespace secateur {
namespace {

struct Finished {
  int status = 0;
  std::string output;
};

Finished run(const std::string& command) {
  Finished finished;
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) finished.output += part.data();
  finished.status = ::pclose(pipe);
  return finished;
}

TEST(Mpi, TwoProcesses) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the program of the two processes is not built for the thread sanitizer";
#endif
  if (!mpi_version()) GTEST_SKIP() << "this build has no MPI";
  if (run("mpirun --version").status != 0) GTEST_SKIP() << "there is no mpirun";
  const Finished tests =
      run(std::string("ASAN_OPTIONS=detect_leaks=0 mpirun --allow-run-as-root --oversubscribe -np 2 ") +
          test::kBinaryDir + "/bin/dist_mpi_tests --gtest_color=no");
  EXPECT_EQ(tests.status, 0) << tests.output;
  // Not one that skipped everything.
  EXPECT_NE(tests.output.find("OK ] DataParallel.OneStepHasTheGradientsOfTheWholeBatch"), std::string::npos)
      << tests.output;
}

}  // namespace
}  // namespace secateur
