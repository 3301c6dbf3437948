#include "secateur/joined_report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "secateur/core/error.h"

namespace secateur::app {
namespace {

namespace fs = std::filesystem;

class JoinedReport : public ::testing::Test {
 public:
  JoinedReport() : root_(fs::temp_directory_path() / ("secateur-joined" + std::to_string(::getpid()))) {}
  ~JoinedReport() override { fs::remove_all(root_); }

  void add_run(const std::string& name, double after) {
    fs::create_directories(root_ / name);
    std::ofstream log(root_ / name / "run.jsonl");
    log << R"({"event":"start","model":"resnet8","data":"synthetic"})"
        << "\n"
        << R"({"event":"epoch","epoch":0,"phase":"training","loss":1,"top1":0.5,"learning_rate":0.1,)"
        << R"("images_per_second":1,"validation_top1":0.6})"
        << "\n";
    for (const auto& [which, top1] : {std::pair{"before", 0.9}, std::pair{"after", after}}) {
      log << R"({"event":"measured","which":")" << which << R"(","part":"test","top1":)" << top1
          << R"(,"top5":1,"parameters":100,"macs":1000,"file_bytes":1,"latency_ms":1,"images_per_second":10})"
          << "\n";
    }
  }

  fs::path root_;
};

TEST_F(JoinedReport, FindsRunsAtAnyDepthAndNamesThemByWhatDiffers) {
  add_run("experiment/runs/one", 0.85);
  add_run("experiment/runs/two", 0.8);
  const std::vector<fs::path> runs = find_runs({root_ / "experiment"});
  ASSERT_EQ(runs.size(), 2U);
  const std::string html = joined_report(runs);
  EXPECT_NE(html.find(">one<"), std::string::npos);
  EXPECT_NE(html.find("-5.00"), std::string::npos);
  EXPECT_NE(html.find("-10.00"), std::string::npos);
  EXPECT_NE(html.find("Accuracy against cost"), std::string::npos);
  EXPECT_NE(html.find("Accuracy by epoch"), std::string::npos);
}

TEST_F(JoinedReport, OneRunIsARunToo) {
  add_run("single", 0.85);
  EXPECT_NE(joined_report(find_runs({root_ / "single"})).find("single"), std::string::npos);
}

TEST_F(JoinedReport, AFolderWithoutRunsIsNamed) {
  fs::create_directories(root_ / "empty");
  try {
    static_cast<void>(find_runs({root_ / "empty"}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("empty"), std::string::npos);
  }
  EXPECT_THROW(static_cast<void>(find_runs({root_ / "missing"})), Error);
}

}  // namespace
}  // namespace secateur::app
