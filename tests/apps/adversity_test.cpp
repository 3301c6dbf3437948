// Disks that are full, folders that cannot be written, files that are damaged or of another time: a clear
// error, and what was there stays as it was.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "apps/program_fixture.h"
#include "secateur/io/checkpoint.h"
#include "secateur/io/files.h"

namespace secateur {
namespace {

namespace fs = std::filesystem;

class Adversity : public test::ProgramTest {
 protected:
  // The exit code; what the program said is in output_.
  int run(const std::string& arguments, const std::string& before = "") {
    const test::Outcome outcome = ProgramTest::run(arguments, before);
    output_ = outcome.text;
    return outcome.code;
  }

  [[nodiscard]] bool says(const std::string& text) const { return output_.find(text) != std::string::npos; }

  void expect_no_leftovers(const std::string& run) const {
    for (const auto& entry : fs::directory_iterator(path(run))) {
      EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
    }
  }

  std::string output_;
};

const std::string kTraining =
    "train --model resnet8 --data synthetic --synthetic-train 160 --synthetic-test 50 --batch 32 "
    "--validation 32 "
    "--learning-rate 0.05 --schedule constant ";

// A limit on the size of files stands in for a disk that is full: writes fail half-way in either case.
TEST_F(Adversity, AFullDiskCostsNoCheckpoint) {
  ASSERT_EQ(run(kTraining + "--epochs 3 --out " + path("undisturbed")), 0) << output_;
  ASSERT_EQ(run(kTraining + "--epochs 1 --out " + path("run")), 0) << output_;
  const std::vector<std::byte> before = read_file(path("run/last.h5"));
  ASSERT_GT(before.size(), 200U << 10);
  EXPECT_EQ(run("train --resume --epochs 3 --out " + path("run"), "trap '' XFSZ; ulimit -f 100;"), 1)
      << output_;
  EXPECT_TRUE(says("last.h5") && says("File too large")) << output_;
  EXPECT_EQ(read_file(path("run/last.h5")), before);
  expect_no_leftovers("run");
  // Once there is space again, nothing is lost but the time.
  ASSERT_EQ(run("train --resume --epochs 3 --out " + path("run")), 0) << output_;
  const StateTree wanted = read_checkpoint(path("undisturbed/model.h5"));
  const StateTree got = read_checkpoint(path("run/model.h5"));
  std::size_t compared = 0;
  for (const auto& [name, value] : wanted.entries()) {
    if (!name.starts_with("model/")) continue;
    ASSERT_TRUE(got.entries().contains(name)) << name;
    EXPECT_TRUE(got.entries().at(name) == value) << name;
    ++compared;
  }
  EXPECT_GT(compared, 20U);
}

TEST_F(Adversity, FoldersThatCannotBeWrittenAreNamedBeforeAnythingRuns) {
  EXPECT_EQ(run(kTraining + "--epochs 1 --out /proc/secateur-run"), 1) << output_;
  EXPECT_TRUE(says("/proc/secateur-run")) << output_;
  EXPECT_FALSE(says("training")) << output_;
  std::ofstream(path("file")) << "mine";
  EXPECT_EQ(run(kTraining + "--epochs 1 --out " + path("file")), 1) << output_;
  EXPECT_TRUE(says(path("file"))) << output_;
  std::ifstream file(path("file"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "mine");
}

TEST_F(Adversity, AByteThatIsFlippedAnywhereIsNoticed) {
  ASSERT_EQ(run(kTraining + "--epochs 1 --out " + path("run")), 0) << output_;
  const std::vector<std::byte> whole = read_file(path("run/model.h5"));
  constexpr std::size_t kPlaces = 25;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    std::vector<std::byte> damaged = whole;
    const std::size_t place = i < 4 ? 10 * i : i * (whole.size() - 1) / (kPlaces - 1);
    damaged[place] ^= std::byte{0x20};
    write_file_atomically(path("damaged.h5"), damaged);
    EXPECT_EQ(run("inspect " + path("damaged.h5")), 1) << "byte " << place << ": " << output_;
    EXPECT_TRUE(says("damaged.h5")) << "byte " << place << ": " << output_;
    EXPECT_EQ(read_file(path("damaged.h5")), damaged);
  }
  // What a resumed run finds instead of its checkpoint stays for whoever wants to look into it.
  std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 2));
  write_file_atomically(path("run/last.h5"), cut);
  EXPECT_EQ(run("train --resume --epochs 2 --out " + path("run")), 1) << output_;
  EXPECT_TRUE(says("last.h5")) << output_;
  EXPECT_EQ(read_file(path("run/last.h5")), cut);
}

TEST_F(Adversity, AFileOfANewerVersionIsRefusedByThatName) {
  ASSERT_EQ(run(kTraining + "--epochs 1 --out " + path("run")), 0) << output_;
  std::vector<std::byte> newer = read_file(path("run/model.h5"));
  constexpr std::size_t kVersionAt = 8;
  newer[kVersionAt] = std::byte{77};
  write_file_atomically(path("newer.h5"), newer);
  EXPECT_EQ(run("eval --data synthetic " + path("newer.h5")), 1) << output_;
  EXPECT_TRUE(says("newer.h5") && says("77")) << output_;
}

}  // namespace
}  // namespace secateur
