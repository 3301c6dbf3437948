// secateur bench train: what it writes, that the parts of a step are the step, and how it deals with peers.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "secateur/bench/contest.h"
#include "secateur/bench/network.h"
#include "secateur/models/models.h"
#include "test_paths.h"

namespace secateur {
namespace {

using nlohmann::json;

class BenchTrain : public ::testing::Test {
 public:
  BenchTrain() {
    folder_ = std::filesystem::temp_directory_path() / ("secateur-bench-train-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~BenchTrain() override { std::filesystem::remove_all(folder_); }
  BenchTrain(const BenchTrain&) = delete;
  BenchTrain& operator=(const BenchTrain&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  // The exit code; what was printed is in text_.
  int run(const std::string& arguments) {
    const std::string command = "OMP_WAIT_POLICY=passive " + std::string(test::kProgram) +
                                " bench train --model resnet8 --batch 4 --steps 2 " + arguments + " > " +
                                path("output.txt") + " 2>&1";
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

  // A program that takes the place of Python.
  [[nodiscard]] std::string stand_in(const std::string& script) const {
    std::string name = path("python");
    std::ofstream(name) << "#!/bin/sh\n" << script;
    std::filesystem::permissions(name, std::filesystem::perms::owner_all);
    return name;
  }

  std::filesystem::path folder_;
  std::string text_;
};

double sum(const json& values) {
  return std::accumulate(values.begin(), values.end(), 0.0,
                         [](double total, const json& value) { return total + value.get<double>(); });
}

TEST_F(BenchTrain, WritesTheStepInItsPartsAndWhatItTook) {
  ASSERT_EQ(run("--blocks 3 --threads 1 --json " + path("a.json")), 0) << text_;
  const json report = json::parse(read("a.json"));
  EXPECT_EQ(report.at("settings"), json::parse(R"({"model": "resnet8", "batch": 4, "precision": "fp32",
      "data": "noise", "image_size": 32, "input": "augmented", "fuse": "auto", "images_per_block": 8,
      "steps_per_block": 2, "blocks": 3})"));
  EXPECT_EQ(report.at("machine").at("threads"), 1);
  EXPECT_FALSE(report.contains("peer"));

  const json& blocks = report.at("block_seconds");
  ASSERT_EQ(blocks.size(), 3);
  json parts = report.at("step_seconds");
  const double total = parts.at("total");
  parts.erase("total");
  ASSERT_EQ(parts.size(), 4);
  for (const auto& [name, seconds] : parts.items()) EXPECT_GT(seconds.get<double>(), 0) << name;
  EXPECT_NEAR(sum(parts), total, 1e-9 + 1e-6 * total);
  // Six steps are the blocks, but for what an epoch does around them.
  EXPECT_LE(6 * total, sum(blocks));
  EXPECT_GE(6 * total, 0.5 * sum(blocks));

  const json& memory = report.at("memory");
  EXPECT_GE(memory.at("planned_bytes"), memory.at("lower_bound_bytes"));
  EXPECT_GT(memory.at("peak_resident_bytes"), memory.at("planned_bytes"));
  EXPECT_GT(report.at("kernels").at("forward"), 0);
  EXPECT_GT(report.at("kernels").at("backward"), report.at("kernels").at("forward"));
  EXPECT_GT(report.at("floor").at("fraction"), 0);
#ifndef __SANITIZE_ADDRESS__  // loops that a sanitizer slows down measure no ceiling
  EXPECT_LT(report.at("floor").at("fraction"), 1.5);
#endif
}

TEST_F(BenchTrain, TakesTurnsWithAPeerAndComparesWithItsFastestVariant) {
  const std::string python = stand_in(R"(
echo '{"library": "Stand-in 1", "device": "none", "variants": ["slow", "fast"]}'
while read -r question; do
  case "$question" in
    *fast*) echo '{"seconds": 0.5, "cpu_seconds": 3.0, "peak_bytes": 7}' ;;
    *) echo '{"seconds": 2.0, "cpu_seconds": 1.5, "peak_bytes": 7}' ;;
  esac
  echo "$question" >> "${0%/*}/questions.txt"
done
)");
  ASSERT_EQ(run("--blocks 2 --against pytorch --python " + python + " --json " + path("a.json")), 0) << text_;
  const json report = json::parse(read("a.json"));
  const json& peer = report.at("peer");
  EXPECT_EQ(peer.at("fastest"), "fast");
  std::vector<double> own = report.at("block_seconds");
  EXPECT_NEAR(peer.at("ratio").get<double>(), 0.5 / ((own[0] + own[1]) / 2), 1e-9);
  EXPECT_EQ(peer.at("variants")[0].at("block_seconds"), json::parse("[2.0, 2.0]"));
  // By processor time the other one is the least.
  const std::vector<double> cpu = report.at("block_cpu_seconds");
  EXPECT_GT(cpu.at(0), 0);
  EXPECT_NEAR(peer.at("cpu_ratio").get<double>(), 1.5 / ((cpu.at(0) + cpu.at(1)) / 2), 1e-9);
  EXPECT_EQ(peer.at("variants")[1].at("images_per_second"), 16.0);
  EXPECT_EQ(peer.at("variants")[1].at("peak_bytes"), 7);
  // A block each that does not count, then in turns.
  std::istringstream questions(read("questions.txt"));
  std::vector<std::string> order;
  for (std::string line; std::getline(questions, line);) order.push_back(json::parse(line).at("variant"));
  EXPECT_EQ(order, (std::vector<std::string>{"slow", "fast", "slow", "fast", "slow", "fast"}));
}

TEST_F(BenchTrain, SaysWhatIsWrong) {
  EXPECT_EQ(run("--blocks 0"), 1);
  EXPECT_NE(text_.find("--blocks"), std::string::npos) << text_;
  EXPECT_EQ(run("--input none"), 1);
  EXPECT_NE(text_.find("augmented"), std::string::npos) << text_;
  EXPECT_EQ(run("--against caffe"), 1);
  EXPECT_NE(text_.find("pytorch"), std::string::npos) << text_;
  EXPECT_EQ(run("--precision fp16"), 1);
  EXPECT_NE(text_.find("fp32 or bf16"), std::string::npos) << text_;
  EXPECT_EQ(run("--against pytorch --python /no/such/python"), 1);
  EXPECT_NE(text_.find("cannot start '/no/such/python'"), std::string::npos) << text_;
  EXPECT_EQ(run("--against pytorch --python " + stand_in("echo boom >&2; exit 3")), 1);
  EXPECT_NE(text_.find("ended without an answer: boom"), std::string::npos) << text_;
}

// -S and -E keep all installed packages away, so that this is every machine's Python without torch.
TEST_F(BenchTrain, AMissingTorchIsAClearError) {
  if (std::system("python3 -c pass > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "no python3";  // NOLINT(cert-env33-c)
  EXPECT_EQ(run("--against pytorch --python " + stand_in("exec python3 -S -E \"$@\"")), 1);
  EXPECT_NE(text_.find("has no torch: --python names an interpreter"), std::string::npos) << text_;
}

TEST_F(BenchTrain, TrainsTheSameNetworkInPyTorch) {
  const char* given = std::getenv("SECATEUR_TORCH_PYTHON");  // NOLINT(concurrency-mt-unsafe)
  const std::string python = given == nullptr ? "python3" : given;
  const std::string probe = python + " -c 'import torch' > /dev/null 2>&1";
  if (std::system(probe.c_str()) != 0) {  // NOLINT(cert-env33-c)
    GTEST_SKIP() << python << " has no torch; SECATEUR_TORCH_PYTHON names another interpreter";
  }
  for (const std::string input : {"augmented", "fixed"}) {
    ASSERT_EQ(run(fmt::format("--blocks 1 --against pytorch --input {} --python {} --json {}", input, python,
                              path("a.json"))),
              0)
        << text_;
    const json peer = json::parse(read("a.json")).at("peer");
    EXPECT_TRUE(peer.at("library").get<std::string>().starts_with("PyTorch ")) << peer;
    ASSERT_GE(peer.at("variants").size(), 2);
    for (const json& variant : peer.at("variants")) {
      EXPECT_GT(variant.at("images_per_second"), 0);
      if (!variant.contains("parts")) continue;  // on a GPU
      EXPECT_LE(sum(variant.at("parts")), variant.at("block_seconds")[0]);
    }
    EXPECT_GT(peer.at("ratio"), 0);
  }
}

TEST(BenchContest, MedianOfOddAndEvenCounts) {
  EXPECT_EQ((bench::Timing{"a", {5, 1, 3}, {}}.median()), 3);
  EXPECT_EQ((bench::Timing{"a", {4, 1, 3, 2}, {}}.median()), 2.5);
}

// By hand for ResNet-20: 200,704 elements of convolutions' outputs, and 40.8 M multiply-adds.
TEST(BenchNetwork, CountsOfResnet20) {
  const Graph graph = models::build("resnet20");
  const bench::Work training = bench::step_work(graph, 4, true);
  EXPECT_EQ(training.bytes, 13 * 4 * (7 * 16384 + 7 * 8192 + 7 * 4096));
  EXPECT_NEAR(training.operations, 6 * 40.8e6, 6 * 0.2e6);
  EXPECT_EQ(bench::step_work(graph, 2, false).bytes, 2 * 2 * (7 * 16384 + 7 * 8192 + 7 * 4096));
}

}  // namespace
}  // namespace secateur
