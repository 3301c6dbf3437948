// secateur bench loader: a folder of images and a packed file of it in turns, and what it says of both.
#include <algorithm>
#include <fstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/program_fixture.h"
#include "data/image_fixtures.h"

namespace secateur {
namespace {

using nlohmann::json;

class BenchLoader : public test::ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    data::make_image_folder(folder_ / "images");
    options_ = "--data imagefolder --data-dir " + path("images") +
               " --validation 0 --image-size 16 --batch 4 --steps 2 --blocks 3 --threads 1";
  }

  std::string options_;
};

TEST_F(BenchLoader, TakesTurnsWithAPackedFile) {
  const test::Outcome packed = run("data pack " + path("all.h5") + " --data-dir " + path("images"));
  ASSERT_EQ(packed.code, 0) << packed.text;
  const test::Outcome outcome =
      run("bench loader " + options_ + " --packed " + path("all.h5") + " --json " + path("report.json"));
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_TRUE(outcome.says("12 images of imagefolder to 16x16")) << outcome.text;
  std::ifstream file(path("report.json"));
  const json report = json::parse(file);
  EXPECT_EQ(report.at("settings").at("images"), 12);
  EXPECT_EQ(report.at("settings").at("image_size"), 16);
  ASSERT_EQ(report.at("block_seconds").size(), 3U);
  ASSERT_EQ(report.at("packed").at("block_seconds").size(), 3U);
  // Images per second are those of the median block: 8 images.
  std::vector<double> seconds = report.at("block_seconds");
  std::ranges::sort(seconds);
  EXPECT_NEAR(report.at("images_per_second").get<double>(), 8 / seconds[1], 1e-6 * 8 / seconds[1]);
  const double ratio = report.at("packed").at("images_per_second").get<double>() /
                       report.at("images_per_second").get<double>();
  EXPECT_NEAR(report.at("packed").at("ratio").get<double>(), ratio, 1e-6 * ratio);
  EXPECT_FALSE(report.contains("peer"));
}

TEST_F(BenchLoader, SaysWhatIsWrong) {
  const test::Outcome missing = run("bench loader " + options_ + " --packed " + path("none.h5"));
  EXPECT_NE(missing.code, 0);
  EXPECT_TRUE(missing.says("none.h5")) << missing.text;
  // -S and -E keep all installed packages away, so that it is a Python without torch.
  std::ofstream(path("python")) << "#!/bin/sh\nexec python3 -S -E \"$@\"\n";
  std::filesystem::permissions(path("python"), std::filesystem::perms::owner_all);
  const test::Outcome peer =
      run("bench loader " + options_ + " --against pytorch --python " + path("python"));
  EXPECT_NE(peer.code, 0);
  EXPECT_TRUE(peer.says("--python names an interpreter that has it")) << peer.text;
}

}  // namespace
}  // namespace secateur
