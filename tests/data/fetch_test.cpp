#include "secateur/data/fetch.h"

#include <algorithm>
#include <cstdlib>

#include "../../data/src/subprocess.h"
#include "data_fixtures.h"

namespace secateur::data {
namespace {

namespace fs = std::filesystem;

// An archive of a folder "made-bin" with one file, and where to fetch it to.
class Fetch : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* program : {"curl", "tar", "md5sum"}) {
      if (!run_program({program, "--version"}))
        GTEST_SKIP() << "the program " << program << " is not installed";
    }
    fs::create_directories(directory_.path() / "made-bin");
    write_text(directory_.path() / "made-bin" / "x.bin", "forty-two");
    const fs::path archive = directory_.path() / "made.tar.gz";
    ASSERT_EQ(run_program({"tar", "-czf", archive.string(), "-C", directory_.path().string(), "made-bin"})
                  ->exit_code,
              0);
    source_ = {"file://" + archive.string(), run_program({"md5sum", archive.string()})->output.substr(0, 32),
               static_cast<std::int64_t>(fs::file_size(archive)), "made-bin"};
  }
  [[nodiscard]] fs::path target() const { return directory_.path() / "data"; }
  // The error, after which nothing may be left behind.
  [[nodiscard]] std::string fetch_error() const {
    std::string message = error_of([&] { fetch_archive(source_, target()); });
    EXPECT_FALSE(fs::exists(target()));
    return message;
  }
  TemporaryDirectory directory_;
  ArchiveSource source_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Fetch, UnpacksIntoItsFolder) {
  std::vector<std::string> lines;
  const auto log = [&](std::string_view line) { lines.emplace_back(line); };
  EXPECT_EQ(fetch_archive(source_, target(), log), target() / "made-bin");
  EXPECT_EQ(fs::file_size(target() / "made-bin" / "x.bin"), 9U);
  EXPECT_EQ(std::distance(fs::directory_iterator(target()), {}), 1);
  ASSERT_FALSE(lines.empty());
  EXPECT_TRUE(contains(lines.front(), source_.url));

  lines.clear();
  source_.url = "file:///nowhere";
  fetch_archive(source_, target(), log);
  EXPECT_TRUE(contains(lines.at(0), "there already"));
}

TEST_F(Fetch, RefusesAWrongChecksum) {
  source_.md5 = std::string(32, '0');
  EXPECT_TRUE(contains(fetch_error(), "wrong checksum"));
}

TEST_F(Fetch, RefusesAWrongSize) {
  ++source_.bytes;
  EXPECT_TRUE(contains(fetch_error(), "cut short"));
}

TEST_F(Fetch, RefusesAnArchiveWithoutTheFolder) {
  source_.folder = "other-bin";
  EXPECT_TRUE(contains(fetch_error(), "no folder other-bin"));
}

TEST_F(Fetch, RefusesWhatIsNoArchive) {
  source_.url = "file://" + (directory_.path() / "made-bin" / "x.bin").string();
  source_.bytes = 9;
  source_.md5 =
      run_program({"md5sum", (directory_.path() / "made-bin" / "x.bin").string()})->output.substr(0, 32);
  EXPECT_TRUE(contains(fetch_error(), "unpacking"));
}

TEST_F(Fetch, SaysWhenThereIsNoNetwork) {
  // Names below .invalid never resolve (RFC 2606). A proxy would be asked instead, so there must be none.
  for (const char* name :
       {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}) {
    unsetenv(name);
  }
  source_.url = "http://secateur.invalid/made.tar.gz";
  EXPECT_TRUE(contains(fetch_error(), "no network"));
}

TEST_F(Fetch, SaysWhatTheDownloaderSaid) {
  source_.url = "file:///no/such/file.tar.gz";
  EXPECT_TRUE(contains(fetch_error(), "curl ended with exit code 37"));
}

TEST_F(Fetch, SaysWhichProgramIsMissing) {
  const std::string path = std::getenv("PATH");
  setenv("PATH", directory_.path().c_str(), 1);
  const std::string message = fetch_error();
  setenv("PATH", path.c_str(), 1);
  EXPECT_TRUE(contains(message, "curl or wget, and neither is installed")) << message;
}

TEST(FetchDataset, KnowsTheOfficialArchives) {
  EXPECT_EQ(source_of("cifar10").md5, "c32a1d4ab5d03f1284b67883e8d87530");
  EXPECT_EQ(source_of("cifar100").md5, "03b5dce01913d631647c71ecec9e9cb8");
  EXPECT_THROW((void)source_of("synthetic"), Error);
}

TEST(Subprocess, ReportsOutputAndEnd) {
  const auto shell = run_program({"sh", "-c", "echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(shell.has_value());
  EXPECT_EQ(shell->exit_code, 3);
  EXPECT_EQ(shell->output, "out\nerr\n");
  EXPECT_EQ(run_program({"sh", "-c", "kill -9 $$"})->exit_code, 128 + 9);
  EXPECT_FALSE(run_program({"no-such-program-anywhere"}).has_value());
}

}  // namespace
}  // namespace secateur::data
