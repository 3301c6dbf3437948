// secateur bench infer: cuts at a rounding, floors by counts, what it writes, and peers.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "secateur/bench/network.h"
#include "secateur/core/error.h"
#include "secateur/export/graph_json.h"
#include "secateur/graph/channel_space.h"
#include "secateur/graph/cost.h"
#include "secateur/models/models.h"
#include "secateur/prune/scope.h"
#include "test_paths.h"

namespace secateur {
namespace {

using nlohmann::json;

TEST(BenchCut, MeetsTheBudgetInWholeGranules) {
  const Graph graph = models::build("resnet20");
  const auto macs = static_cast<double>(cost_of(graph).macs);
  double least = 1;
  for (const std::int64_t granule : {1, 8, 16}) {
    const Graph cut = bench::uniformly_pruned(graph, 0.5, granule);
    const double part = static_cast<double>(cost_of(cut).macs) / macs;
    EXPECT_LE(part, 0.5) << granule;
    EXPECT_GT(part, granule == 1 ? 0.47 : 0.1) << granule;
    least = std::min(least, part);
    const ChannelSpaces spaces(cut);
    for (const std::int64_t index : prunable_spaces(cut, spaces, PruneScope::all, {})) {
      EXPECT_EQ(spaces.space(index).width % granule, 0) << spaces.space(index).name;
    }
  }
  EXPECT_THROW(static_cast<void>(bench::uniformly_pruned(graph, 0.1, 16)), Error);
}

// conv 3x3, 2 -> 3 channels on 4x4: 864 multiply-adds, 32 + 48 values of maps and 54 weights.
TEST(BenchCut, FloorOfALayerIsItsSlowerHalf) {
  const Graph graph = graph_from_json(R"({"format": "secateur-graph", "version": 1, "output": 1, "nodes": [
      {"name": "image", "op": "input", "inputs": [], "attributes": {"height": 4, "width": 4, "channels": 2}},
      {"name": "conv", "op": "conv2d", "inputs": [0],
       "attributes": {"out_channels": 3, "kernel": 3, "padding": 1}}]})",
                                      "the test");
  bench::Ceilings ceilings;
  ceilings.copy_bytes_per_second = 1;
  ceilings.fma_per_second = 1e9;
  EXPECT_DOUBLE_EQ(bench::inference_floor(graph, 2, 4, ceilings), (2 * (32 + 48) + 54) * 4);
  ceilings.copy_bytes_per_second = 1e9;
  ceilings.fma_per_second = 1;
  EXPECT_DOUBLE_EQ(bench::inference_floor(graph, 2, 4, ceilings), 2 * 2 * 864);
}

class BenchInfer : public ::testing::Test {
 public:
  BenchInfer() {
    folder_ = std::filesystem::temp_directory_path() / ("secateur-bench-infer-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~BenchInfer() override { std::filesystem::remove_all(folder_); }
  BenchInfer(const BenchInfer&) = delete;
  BenchInfer& operator=(const BenchInfer&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  int run(const std::string& arguments) {
    const std::string command = "OMP_WAIT_POLICY=passive " + std::string(test::kProgram) + " " + arguments +
                                " > " + path("output.txt") + " 2>&1";
    const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): the arguments are ours
    text_ = read("output.txt");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int bench(const std::string& arguments) {
    return run("bench infer --blocks 2 --seconds 0.001 " + arguments);
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

TEST_F(BenchInfer, ComparesRoundingsWithTheWholeNetwork) {
  ASSERT_EQ(bench("--model resnet8 --batch 1 3 --round-to 1 8 --json " + path("a.json")), 0) << text_;
  const json report = json::parse(read("a.json"));
  const json& rows = report.at("results");
  ASSERT_EQ(rows.size(), 6);  // whole, 1, 8 for each batch
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const json& row = rows[i];
    EXPECT_EQ(row.at("batch"), i < 3 ? 1 : 3);
    EXPECT_EQ(row.at("round_to"), std::vector<int>({0, 1, 8})[i % 3]);
    EXPECT_EQ(row.at("seconds").size(), 2);
    const json& whole = rows[i / 3 * 3];
    EXPECT_NEAR(row.at("speedup").get<double>(),
                whole.at("milliseconds").get<double>() / row.at("milliseconds").get<double>(), 1e-9);
    EXPECT_NEAR(row.at("images_per_second").get<double>() * row.at("milliseconds").get<double>(),
                1000.0 * row.at("batch").get<double>(), 1e-6);
    if (i % 3 == 0) continue;
    EXPECT_LE(row.at("macs").get<double>(), 0.5 * whole.at("macs").get<double>());
    EXPECT_GT(row.at("speedup_by_counts"), 1);
    EXPECT_LT(row.at("speedup_by_counts"), 4);
  }
  EXPECT_NE(text_.find("counts allow"), std::string::npos) << text_;
}

TEST_F(BenchInfer, TakesStoredNetworks) {
  ASSERT_EQ(run("train --model resnet8 --data synthetic --synthetic-train 40 --synthetic-test 10 "
                "--validation 10 --batch 10 --epochs 1 --out " +
                path("base")),
            0)
      << text_;
  const std::string model = path("base/model.h5");
  ASSERT_EQ(bench("--batch 2 --weights " + model + " " + model + " --json " + path("a.json")), 0) << text_;
  const json rows = json::parse(read("a.json")).at("results");
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].at("network"), model);
  EXPECT_EQ(rows[1].at("speedup_by_counts"), 1.0);
}

TEST_F(BenchInfer, ComparesWithAPeerThatReadsTheExportedFile) {
  const std::string python = path("python");
  std::ofstream(python) << "#!/bin/sh\n"
                           "echo '{\"library\": \"Stand-in 1\", \"device\": \"none\"}'\n"
                           "while read -r question; do\n"
                           "  file=$(echo \"$question\" | sed 's/.*\"model\":\"\\([^\"]*\\)\".*/\\1/')\n"
                           "  if [ -s \"$file\" ]; then echo '{\"seconds\": 0.5}'; else echo '{}'; fi\n"
                           "done\n";
  std::filesystem::permissions(python, std::filesystem::perms::owner_all);
  ASSERT_EQ(bench("--model resnet8 --batch 1 --against onnxruntime --python " + python + " --json " +
                  path("a.json")),
            0)
      << text_;
  const json report = json::parse(read("a.json"));
  EXPECT_EQ(report.at("peer").at("library"), "Stand-in 1");
  const json& row = report.at("results")[0];
  EXPECT_EQ(row.at("peer").at("milliseconds"), 500);
  EXPECT_NEAR(row.at("peer").at("ratio").get<double>(), 500 / row.at("milliseconds").get<double>(), 1e-9);
}

// In bf16 a GPU stores widths in multiples of 8: what is cut to odd widths computes with idle lanes, and what
// is rounded to 8 does not, but for the image.
TEST_F(BenchInfer, PlansWidthsForAGpuThatIsNotThere) {
  ASSERT_EQ(
      bench("--model resnet8 --gpu h200 --precision bf16 --batch 64 --round-to 1 8 --json " + path("a.json")),
      0)
      << text_;
  EXPECT_NE(text_.find("H200 (described: nothing ran)"), std::string::npos) << text_;
  const json rows = json::parse(read("a.json")).at("results");
  ASSERT_EQ(rows.size(), 3);
  EXPECT_EQ(rows[0].at("speedup_of_floors"), 1.0);
  const auto idle = [](const json& row) {
    return 1 - row.at("macs").get<double>() / row.at("stored_macs").get<double>();
  };
  EXPECT_EQ(rows[1].at("round_to"), 1);
  EXPECT_GT(idle(rows[1]), idle(rows[2]));
  for (const json& row : rows) EXPECT_GT(row.at("floor_seconds"), 0.0);
  EXPECT_GT(rows[2].at("speedup_of_floors"), 1.0);
  EXPECT_EQ(bench("--model resnet8 --gpu h200 --against onnxruntime"), 1);
  EXPECT_EQ(bench("--model resnet8 --gpu h2000"), 1);
  // ResNet-56's first stage has 16 channels, which multiples of 32 leave whole: half of it cannot go.
  ASSERT_EQ(bench("--model resnet56 --gpu h200 --round-to 8 32 --batch 1 --json " + path("b.json")), 0)
      << text_;
  EXPECT_NE(text_.find("left out"), std::string::npos) << text_;
  EXPECT_EQ(json::parse(read("b.json")).at("results").size(), 2);
}

TEST_F(BenchInfer, SaysWhatIsWrong) {
  EXPECT_EQ(bench("--model resnet8 --batch 0"), 1);
  EXPECT_NE(text_.find("--batch"), std::string::npos) << text_;
  EXPECT_EQ(bench("--model resnet8 --round-to 0"), 1);
  EXPECT_NE(text_.find("--round-to"), std::string::npos) << text_;
  EXPECT_EQ(bench("--model resnet8 --budget 1"), 1);
  EXPECT_EQ(bench("--model resnet8 --against caffe"), 1);
  EXPECT_NE(text_.find("onnxruntime"), std::string::npos) << text_;
  EXPECT_EQ(bench("--weights " + path("nothing.h5")), 1);
  EXPECT_NE(text_.find("nothing.h5"), std::string::npos) << text_;
}

TEST_F(BenchInfer, RunsTheSameNetworkInOnnxRuntime) {
  const char* given = std::getenv("SECATEUR_ONNXRUNTIME_PYTHON");  // NOLINT(concurrency-mt-unsafe)
  const std::string own = std::string(test::kBinaryDir) + "/tests/interop/venv/bin/python";
  const std::string python = given != nullptr ? given : std::filesystem::exists(own) ? own : "python3";
  const std::string probe = python + " -c 'import onnxruntime' > /dev/null 2>&1";
  if (std::system(probe.c_str()) != 0) {  // NOLINT(cert-env33-c)
    GTEST_SKIP() << python << " has no onnxruntime; SECATEUR_ONNXRUNTIME_PYTHON names another interpreter";
  }
  ASSERT_EQ(bench("--model resnet8 --batch 1 --round-to 8 --against onnxruntime --python " + python +
                  " --json " + path("a.json")),
            0)
      << text_;
  const json report = json::parse(read("a.json"));
  EXPECT_TRUE(report.at("peer").at("library").get<std::string>().starts_with("ONNX Runtime "));
  for (const json& row : report.at("results")) EXPECT_GT(row.at("peer").at("ratio"), 0);
}

}  // namespace
}  // namespace secateur
