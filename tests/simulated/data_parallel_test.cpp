// Training on two simulated GPUs, each in a process of its own: this program starts itself twice.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "dist/job.h"
#include "dist/parallel_run.h"

namespace secateur {
namespace {

constexpr const char* kWay = "SECATEUR_TEST_RANK_BY";

// What a rank runs: an epoch, against that of one process with the whole batches.
TEST(SimulatedRank, TrainsAsOneProcess) {
  const char* way = std::getenv(kWay);
  if (way == nullptr) GTEST_SKIP() << "started by DataParallel.* below, as one of two processes";
  test::ParallelSetting setting{
      .device = DeviceKind::cuda, .images = 15, .batch = 8, .by_hosts = std::string(way) == "hosts"};
  const auto hosts = join(launch_from(process_environment()));
  ASSERT_NE(hosts, nullptr);
  for (const bool residual : {false, true}) {
    setting.residual = residual;
    const test::Outcome expected = test::train(setting, nullptr);
    const test::Outcome got = test::train(setting, hosts.get());
    EXPECT_LT(test::largest_difference(got.gradients, expected.gradients), 2e-5);
    EXPECT_LT(test::largest_difference(got.values, expected.values), 2e-5);
    EXPECT_EQ(got.by, std::string(way) == "hosts" ? "TCP" : "NCCL and TCP");
  }
}

void expect_two_processes(const std::string& way) {
  const int port = test::free_port();
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::array<std::FILE*, 2> ranks{};
  for (int rank = 0; rank < 2; ++rank) {
    const std::string command = fmt::format(
        "RANK={} WORLD_SIZE=2 MASTER_PORT={} {}={} GTEST_OUTPUT= {} "
        "--gtest_filter=SimulatedRank.TrainsAsOneProcess 2>&1",
        rank, port, kWay, way, self);
    ranks[static_cast<std::size_t>(rank)] = ::popen(command.c_str(), "r");
  }
  for (std::FILE* rank : ranks) {
    std::string output;
    std::array<char, 4096> part{};
    while (std::fgets(part.data(), part.size(), rank) != nullptr) output += part.data();
    EXPECT_EQ(::pclose(rank), 0) << output;
    EXPECT_NE(output.find("OK ] SimulatedRank.TrainsAsOneProcess"), std::string::npos) << output;
  }
}

TEST(DataParallel, TwoGpusByNccl) { expect_two_processes("nccl"); }
TEST(DataParallel, TwoGpusByWayOfTheHosts) { expect_two_processes("hosts"); }

}  // namespace
}  // namespace secateur
