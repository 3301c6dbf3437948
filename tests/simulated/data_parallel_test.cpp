// Training on two simulated GPUs, each in a process of its own: this program starts itself twice.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dist/job.h"
#include "dist/parallel_run.h"

namespace secateur {
namespace {

constexpr const char* kWay = "SECATEUR_TEST_RANK_BY";

// What a rank runs, of the processes that DataParallel.* below start.
class SimulatedRank : public testing::Test {
 protected:
  void SetUp() override {
    const char* way = std::getenv(kWay);
    if (way == nullptr) GTEST_SKIP() << "started by DataParallel.* below, as one of two processes";
    setting_.by_hosts = std::string(way) == "hosts";
    hosts_ = join(launch_from(process_environment()));
    ASSERT_NE(hosts_, nullptr);
  }

  test::ParallelSetting setting_{.device = DeviceKind::cuda, .images = 15, .batch = 8};
  std::unique_ptr<Communicator> hosts_;
};

// An epoch, against that of one process with the whole batches.
TEST_F(SimulatedRank, TrainsAsOneProcess) {
  for (const bool residual : {false, true}) {
    setting_.residual = residual;
    const test::Outcome expected = test::train(setting_, nullptr);
    const test::Outcome got = test::train(setting_, hosts_.get());
    EXPECT_LT(test::largest_difference(got.gradients, expected.gradients), 2e-5);
    EXPECT_LT(test::largest_difference(got.values, expected.values), 2e-5);
    EXPECT_EQ(got.by, setting_.by_hosts ? "TCP" : "NCCL and TCP");
  }
}

TEST_F(SimulatedRank, AveragesAsOneProcess) {
  setting_.residual = true;
  setting_.average_decay = 0.6;
  const test::Outcome expected = test::train(setting_, nullptr);
  const test::Outcome got = test::train(setting_, hosts_.get());
  ASSERT_EQ(got.averages.size(), got.values.size());
  EXPECT_GT(test::largest_difference(expected.averages, expected.values), 1e-3);
  EXPECT_LT(test::largest_difference(got.averages, expected.averages), 2e-5);
}

// In fp16 the halves of a batch are summed in another order than the whole.
TEST_F(SimulatedRank, TrainsInHalfPrecisionAsOneProcess) {
  setting_.precision = Precision::fp16;
  setting_.residual = true;
  const test::Outcome expected = test::train(setting_, nullptr);
  const test::Outcome got = test::train(setting_, hosts_.get());
  EXPECT_EQ(got.report.skipped_steps, expected.report.skipped_steps);
  EXPECT_EQ(got.trainer.get<double>("loss_scale/value"), expected.trainer.get<double>("loss_scale/value"));
  EXPECT_LT(test::largest_difference(got.values, expected.values),
            0.01 * test::largest_magnitude(expected.values));
}

// Three whole batches and a tail, twice: most steps are replays, with sums on a stream of their own and, for
// batch norm, among the kernels. They give the bits of steps that the host looks at, and the epoch's loss.
TEST_F(SimulatedRank, ReplaysRecordedSteps) {
  setting_.images = 31;
  setting_.epochs = 2;
  setting_.average_decay = 0.6;
  for (const bool resident : {false, true}) {
    for (const bool residual : {false, true}) {
      setting_.resident = resident;
      setting_.residual = residual;
      setting_.record = false;
      const test::Outcome expected = test::train(setting_, hosts_.get());
      setting_.record = true;
      const test::Outcome got = test::train(setting_, hosts_.get());
      EXPECT_EQ(got.values, expected.values);
      EXPECT_EQ(got.averages, expected.averages);
      EXPECT_EQ(got.gradients, expected.gradients);
      EXPECT_NEAR(got.report.loss, expected.report.loss, 1e-6);
      EXPECT_EQ(got.report.top1, expected.report.top1);
      EXPECT_EQ(got.report.samples, 31);
      EXPECT_EQ(expected.recorded_kernels, 0);
      // Sums by way of the host are none of the device's work.
      if (setting_.by_hosts) {
        EXPECT_EQ(got.recorded_kernels, 0);
      } else {
        EXPECT_GT(got.recorded_kernels, 20);
      }
    }
  }
}

// Puts something else in the place of the first value that one rank hands in to a sum of `T`, once in the
// run.
template <class T>
class Tampering final : public Communicator {
 public:
  Tampering(Communicator& by, int rank, T value)
      : Communicator(by.rank(), by.size()), by_(by), rank_(rank), value_(value) {}
  [[nodiscard]] std::string description() const override { return by_.description(); }
  [[nodiscard]] bool can_be_recorded() const override { return by_.can_be_recorded(); }
  void replay(const std::function<void()>& work) override { by_.replay(work); }
  void sum(Stream& stream, DType type, void* values, std::int64_t count) override {
    constexpr DType kOwn = sizeof(T) == sizeof(float) ? DType::f32 : DType::f64;
    if (type == kOwn && rank() == rank_ && !std::exchange(done_, true)) {
      stream.copy_to_device(values, &value_, sizeof(value_));
    }
    by_.sum(stream, type, values, count);
  }
  void broadcast(Stream& stream, void* values, std::int64_t bytes) override {
    by_.broadcast(stream, values, bytes);
  }
  void sum(std::span<double> values) override { by_.sum(values); }
  [[nodiscard]] std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> mine) override {
    return by_.all_gather(mine);
  }

 private:
  Communicator& by_;
  int rank_;
  T value_;
  bool done_ = false;
};

// Nobody looks at the steps of the epoch but the devices: all of them stop where one has no loss.
TEST_F(SimulatedRank, StopsWhereALossIsNoNumberElsewhere) {
  if (setting_.by_hosts) GTEST_SKIP() << "hosts look at every step";
  for (const int rank : {0, 1}) {
    // The losses are the only sums of f64 on a device.
    setting_.wrap = [rank](Communicator& by) {
      return std::make_unique<Tampering<double>>(by, rank, std::numeric_limits<double>::quiet_NaN());
    };
    EXPECT_THROW(test::train(setting_, hosts_.get()), NonFiniteError) << rank;
  }
}

// The first of two steps overflows on one rank alone: neither takes it, both halve the scale, and the second
// is taken by both.
TEST_F(SimulatedRank, SkipsAStepThatOverflowsElsewhere) {
  setting_.precision = Precision::fp16;
  setting_.sync_batch_norm = false;  // whose sums go the same way
  for (const int rank : {0, 1}) {
    setting_.wrap = [rank](Communicator& by) {
      return std::make_unique<Tampering<float>>(by, rank, std::numeric_limits<float>::infinity());
    };
    setting_.images = 8;
    const test::Outcome none = test::train(setting_, hosts_.get());
    EXPECT_EQ(none.report.skipped_steps, 1);
    EXPECT_EQ(none.trainer.get<double>("loss_scale/value"), LossScaleOptions{}.start / 2);
    // Trained parameters are those that rank 0 began with.
    selftest::WholeModel fresh(test::network_of(setting_), setting_.device, Precision::fp16, 7);
    for (std::size_t p = 0; p < none.values.size(); ++p) {
      if (!is_trained(fresh.model.parameters()[p].spec.kind)) continue;
      EXPECT_EQ(none.values[p], fresh.model.read(static_cast<std::int64_t>(p), *fresh.stream)) << p;
    }

    setting_.images = 16;
    const test::Outcome one = test::train(setting_, hosts_.get());
    EXPECT_EQ(one.report.skipped_steps, 1);
    EXPECT_EQ(one.trainer.get<double>("loss_scale/value"), LossScaleOptions{}.start / 2);
    EXPECT_GT(test::largest_difference(one.values, none.values), 1e-3);
    Fingerprint fingerprint;
    for (const auto& values : one.values) fingerprint.add(std::as_bytes(std::span(values)));
    EXPECT_NO_THROW(hosts_->require_equal(fingerprint.value(), "the network"));
  }
}

// Runs a test of SimulatedRank in two processes.
void expect_two_processes(const std::string& way, const std::string& name) {
  const int port = test::free_port();
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::array<std::FILE*, 2> ranks{};
  for (int rank = 0; rank < 2; ++rank) {
    const std::string command = fmt::format(
        "RANK={} WORLD_SIZE=2 MASTER_PORT={} {}={} GTEST_OUTPUT= {} "
        "--gtest_filter=SimulatedRank.{} 2>&1",
        rank, port, kWay, way, self, name);
    ranks[static_cast<std::size_t>(rank)] = ::popen(command.c_str(), "r");
  }
  for (std::FILE* rank : ranks) {
    std::string output;
    std::array<char, 4096> part{};
    while (std::fgets(part.data(), part.size(), rank) != nullptr) output += part.data();
    EXPECT_EQ(::pclose(rank), 0) << output;
    EXPECT_NE(output.find("OK ] SimulatedRank." + name), std::string::npos) << output;
  }
}

class DataParallel : public testing::TestWithParam<const char*> {};

TEST_P(DataParallel, TwoGpusTrainAsOne) { expect_two_processes(GetParam(), "TrainsAsOneProcess"); }
TEST_P(DataParallel, TwoGpusAverageAsOne) { expect_two_processes(GetParam(), "AveragesAsOneProcess"); }
TEST_P(DataParallel, TwoGpusTrainInHalfPrecisionAsOne) {
  expect_two_processes(GetParam(), "TrainsInHalfPrecisionAsOneProcess");
}
TEST_P(DataParallel, AnOverflowOnOneGpuIsSkippedByBoth) {
  expect_two_processes(GetParam(), "SkipsAStepThatOverflowsElsewhere");
}

TEST_P(DataParallel, TwoGpusReplayRecordedSteps) { expect_two_processes(GetParam(), "ReplaysRecordedSteps"); }
TEST(DataParallelLoss, StopsBothGpusWhereOneHasNone) {
  expect_two_processes("nccl", "StopsWhereALossIsNoNumberElsewhere");
}

INSTANTIATE_TEST_SUITE_P(Ways, DataParallel, testing::Values("nccl", "hosts"),
                         [](const auto& way) { return std::string(way.param); });

}  // namespace
}  // namespace secateur
