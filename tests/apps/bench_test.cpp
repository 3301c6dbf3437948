// secateur bench: the counts that floors stand on, against hand-made and published figures, and the program's
// output.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "secateur/bench/bench_report.h"
#include "secateur/bench/layers.h"
#include "test_paths.h"

namespace secateur {
namespace {

using bench::MapWork;
using bench::Work;

const bench::NetworkLayers& network(std::string_view name) {
  for (const bench::NetworkLayers& one : bench::networks()) {
    if (one.name == name) return one;
  }
  throw std::runtime_error("no such network");
}

TEST(BenchLayers, TablesAddUpToThePublishedSizes) {
  // VGG-16 with batch norm and one linear layer; ResNet-56 of 0.85 M; torchvision's resnet50.
  EXPECT_EQ(network("vgg16").parameters(), 14724042);
  EXPECT_EQ(network("resnet56").parameters(), 853018);
  EXPECT_EQ(network("resnet50").parameters(), 25557032);
  EXPECT_EQ(network("vgg16").macs(), 313201664);
  EXPECT_EQ(network("resnet56").macs(), 125485696);
  EXPECT_EQ(network("resnet50").macs(), 4089184256);
}

TEST(BenchLayers, DistinctMapsNameTheMostFrequentLayer) {
  std::set<std::string_view> names;
  for (const bench::ConvLayer& layer : bench::distinct_maps(network("resnet56"))) names.insert(layer.name);
  EXPECT_EQ(names, (std::set<std::string_view>{"layer1", "layer2", "layer3"}));
}

void expect_work(const Work& work, double bytes, double operations) {
  EXPECT_EQ(work.bytes, bytes);
  EXPECT_EQ(work.operations, operations);
}

TEST(BenchWork, CountsByHand) {
  const MapWork maps{2, 5, 3, 2};  // 30 elements, 60 bytes
  expect_work(bench::filter_norm_work(4, 40, 4), 160 + 32, 80);
  expect_work(bench::channel_moments_work(maps), 60 + 6 * 16, 180);
  expect_work(bench::redundancy_work(maps), 60 + 3 * 32, 270);
  expect_work(bench::pairwise_correlation_work(maps), 60 + 9 * 8, 30 * 9);
  expect_work(bench::batch_norm_act_work(maps), 180, 210);
  expect_work(bench::batch_norm_act_backward_work(maps), 300, 360);
  expect_work(bench::add_work(maps), 180, 30);
  expect_work(bench::find_nonfinite_work(maps), 60, 30);
  expect_work(bench::sgd_momentum_work(10, 4, 0), 200, 60);
  expect_work(bench::sgd_momentum_work(10, 2, 2), 200, 60);
  expect_work(bench::channel_gather_work(7, 4), 56, 0);
  expect_work(bench::softmax_cross_entropy_work(3, 10, 2), 120, 150);
  expect_work(bench::max_pool_work({2, 16, 3, 4}, 4, 4, true), 384 + 24 * 5, 96);
  expect_work(bench::augment_work(2, 4, 3, 8, 2), 8 * 19, 48);
}

TEST(BenchFloor, TheSlowerOfMovingAndComputing) {
  bench::Ceilings ceilings;
  ceilings.copy_bytes_per_second = 100;
  ceilings.triad_bytes_per_second = 50;
  ceilings.fma_per_second = 10;
  bench::Case one;
  one.work = {1000, 20};
  bool memory_bound = false;
  EXPECT_EQ(bench::floor_seconds(one, ceilings, memory_bound), 10);
  EXPECT_TRUE(memory_bound);
  one.work.operations = 200;
  EXPECT_EQ(bench::floor_seconds(one, ceilings, memory_bound), 20);
  EXPECT_FALSE(memory_bound);
  ceilings.tensor_per_second = 100;
  EXPECT_EQ(bench::floor_seconds(one, ceilings, memory_bound), 20)
      << "only matrix products take tensor cores";
  one.tensor_cores = true;
  EXPECT_EQ(bench::floor_seconds(one, ceilings, memory_bound), 10);
}

TEST(BenchResult, MedianOfRuns) {
  bench::Result result;
  result.seconds = {3, 1, 2};
  EXPECT_EQ(result.median(), 2);
  result.seconds.push_back(10);
  EXPECT_EQ(result.median(), 2.5);
  EXPECT_EQ(result.least(), 1);
  EXPECT_EQ(result.most(), 10);
}

class BenchProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("secateur-bench-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  // The exit code; what was printed is in text_.
  int run(const std::string& arguments) {
    const std::string command = "OMP_WAIT_POLICY=passive " + std::string(test::kProgram) + " bench kernels " +
                                arguments + " > " + path("output.txt") + " 2>&1";
    const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): the arguments are ours
    text_ = read("output.txt");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(path(name));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::filesystem::path folder_;
  std::string text_;
};

TEST_F(BenchProgram, MeasuresEveryKernelAndWritesWhatItMeasured) {
  const std::string common = "--device cpu --batch 2 --seconds 0.001 ";
  ASSERT_EQ(run(common + "--shape 'resnet56/*' --json " + path("a.json") + " --svg " + path("a.svg")), 0)
      << text_;
  EXPECT_EQ(text_.find("RESULT DIFFERS"), std::string::npos) << text_;
  const auto json = nlohmann::json::parse(read("a.json"));
  EXPECT_EQ(json.at("schema"), 1);
  EXPECT_EQ(json.at("machine").at("kind"), "cpu");
  EXPECT_GT(json.at("ceilings").at("copy_bytes_per_second"), 0);
  EXPECT_GT(json.at("ceilings").at("fma_operations_per_second"), 0);

  const double bandwidth = std::max(json.at("ceilings").at("copy_bytes_per_second").get<double>(),
                                    json.at("ceilings").at("triad_bytes_per_second").get<double>());
  std::set<std::string> kernels;
  std::set<std::string> implementations;
  for (const auto& result : json.at("results")) {
    const std::string what = result.at("kernel").get<std::string>() + " " +
                             result.at("shape").get<std::string>() + " " +
                             result.at("implementation").get<std::string>();
    kernels.insert(result.at("kernel"));
    implementations.insert(result.at("implementation"));
    const auto seconds = result.at("seconds").get<std::vector<double>>();
    const double median = result.at("median_seconds");
    ASSERT_FALSE(seconds.empty()) << what;
    EXPECT_GT(median, 0) << what;
    EXPECT_LE(result.at("least_seconds"), median) << what;
    EXPECT_GE(result.at("most_seconds"), median) << what;
    EXPECT_GE(result.at("floor_seconds").get<double>(), 0.999 * result.at("bytes").get<double>() / bandwidth)
        << what;
    EXPECT_NEAR(result.at("fraction_of_floor").get<double>() * median, result.at("floor_seconds"), 1e-12)
        << what;
    EXPECT_NEAR(result.at("bytes_per_second").get<double>() * median / result.at("bytes").get<double>(), 1,
                1e-9)
        << what;
    const auto& agrees = result.at("agrees_with_first");
    EXPECT_TRUE(agrees.is_null() || agrees.get<bool>()) << what;
    if (result.at("kernel") == "add" && result.at("shape") == "resnet56/layer2") {
      EXPECT_EQ(result.at("bytes"), 3 * 2 * 16 * 16 * 32 * 4);
    }
  }
  EXPECT_EQ(kernels, (std::set<std::string>{"add", "augment", "batch_norm_act", "batch_norm_act_backward",
                                            "channel_gather", "channel_moments", "filter_norm",
                                            "find_nonfinite", "pairwise_correlation", "redundancy",
                                            "sgd_momentum", "softmax_cross_entropy"}));
  EXPECT_EQ(implementations.count("secateur"), 1U);
  EXPECT_EQ(implementations.count("oneDNN"), 1U);

  const std::string svg = read("a.svg");
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_NE(svg.find("class=\"roof\""), std::string::npos);
  EXPECT_NE(svg.find("class=\"point\""), std::string::npos);
}

TEST_F(BenchProgram, MaxPoolAgreesWithOneDnn) {
  ASSERT_EQ(run("--device cpu --batch 1 --seconds 0.001 --shape 'resnet50/pool' --json " + path("a.json")), 0)
      << text_;
  const auto json = nlohmann::json::parse(read("a.json"));
  ASSERT_EQ(json.at("results").size(), 3U);
  for (const auto& result : json.at("results"))
    EXPECT_TRUE(result.at("agrees_with_first").get<bool>()) << result;
}

TEST_F(BenchProgram, RefusesWhatItCannotMeasure) {
  EXPECT_EQ(run("--device cpu --kernel nothing"), 1);
  EXPECT_NE(text_.find("pairwise_correlation"), std::string::npos) << "the kernels that there are: " << text_;
  EXPECT_EQ(run("--device cpu --precision fp16"), 1);
  EXPECT_NE(text_.find("fp32"), std::string::npos) << text_;
  EXPECT_EQ(run("--device abacus"), 1);
  EXPECT_EQ(run("--seconds 0"), 1);
}

TEST_F(BenchProgram, SaysWhenNoGpuWasMeasured) {
  ASSERT_EQ(run("--kernel add --shape vgg16/conv11 --batch 1 --seconds 0.001 --json " + path("a.json")), 0)
      << text_;
  const bool on_gpu = nlohmann::json::parse(read("a.json")).at("machine").at("kind") == "cuda";
  EXPECT_EQ(text_.find("No GPU was measured") == std::string::npos, on_gpu) << text_;
}

}  // namespace
}  // namespace secateur
