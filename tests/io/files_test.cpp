#include "secateur/io/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "io/temporary_folder.h"

namespace secateur {
namespace {

using test::bytes_of;
using test::read_text;
using test::TemporaryFolder;
using test::write_text;

TEST(ReadFile, GivesEveryByte) {
  const TemporaryFolder folder;
  const std::string text("a\0b\n\xff", 5);
  write_text(folder / "file", text);
  const std::vector<std::byte> bytes = read_file(folder / "file");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), text);
  write_text(folder / "empty", "");
  EXPECT_TRUE(read_file(folder / "empty").empty());
  EXPECT_GT(read_file("/proc/self/status").size(), 100U);  // a file that says it has no size
}

TEST(ReadFile, NamesFileAndReason) {
  const TemporaryFolder folder;
  EXPECT_ERROR(static_cast<void>(read_file(folder / "missing")), "missing'", "No such file");
  EXPECT_ERROR(static_cast<void>(read_file(folder.path())), folder.path().string(), "folder");
  write_text(folder / "file", "x");
  EXPECT_ERROR(static_cast<void>(read_file(folder / "file" / "below")), "file/below", "Not a directory");
}

TEST(WriteFileAtomically, CreatesAndReplaces) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "file", bytes_of("first, the longer one"));
  EXPECT_EQ(read_text(folder / "file"), "first, the longer one");
  write_file_atomically(folder / "file", bytes_of("second"));
  EXPECT_EQ(read_text(folder / "file"), "second");
  write_file_atomically(folder / "file", {});
  EXPECT_EQ(read_text(folder / "file"), "");
  EXPECT_EQ(folder.num_files(), 1);

  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_atomically("relative", bytes_of("x"));
  std::filesystem::current_path(before);
  EXPECT_EQ(read_text(folder / "relative"), "x");
}

TEST(WriteFileAtomically, TakesOverWhatAKilledProcessLeft) {
  const TemporaryFolder folder;
  write_text(folder / (".file." + std::to_string(getpid()) + ".tmp"),
             "half of something that was longer than this");
  write_file_atomically(folder / "file", bytes_of("whole"));
  EXPECT_EQ(read_text(folder / "file"), "whole");
  EXPECT_EQ(folder.num_files(), 1);
}

TEST(WriteFileAtomically, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  EXPECT_ERROR(write_file_atomically(folder.path(), bytes_of("x")), folder.path().string(), "folder");
  EXPECT_ERROR(write_file_atomically(folder.path() / "", bytes_of("x")), "names no file");
  EXPECT_ERROR(write_file_atomically(folder / "missing" / "file", bytes_of("x")), "missing/file",
               "No such file");
  write_text(folder / "file", "old");
  EXPECT_ERROR(write_file_atomically(folder / "file" / "below", bytes_of("x")), "file/below",
               "Not a directory");
  EXPECT_ERROR(write_file_atomically("/dev/full", bytes_of("x")), "/dev/full", "not a regular file");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  EXPECT_ERROR(write_file_atomically("/proc/secateur-test", bytes_of("x")), "/proc/secateur-test");
  EXPECT_EQ(folder.num_files(), 1);
}

TEST(WriteFileAtomically, LeavesTheOldFileWhereNoneMayBeMade) {
  const TemporaryFolder folder;
  write_text(folder / "file", "old");
  ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
  // The superuser may write everywhere: be nobody meanwhile.
  const bool superuser = geteuid() == 0;
  if (superuser) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  const std::string message =
      test::error_of([&] { write_file_atomically(folder / "file", bytes_of("new")); });
  if (superuser) {
    ASSERT_EQ(seteuid(0), 0);
  }
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  EXPECT_NE(message.find("file': Permission denied"), std::string::npos) << message;
  EXPECT_EQ(read_text(folder / "file"), "old");
  EXPECT_EQ(folder.num_files(), 1);
}

// A limit on the size of files stands for a disk that fills up in the middle.
TEST(WriteFileAtomically, LeavesTheOldFileWhenTheSpaceRunsOut) {
  const TemporaryFolder folder;
  write_text(folder / "file", "old");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::string message =
      test::error_of([&] { write_file_atomically(folder / "file", bytes_of(std::string(5000, 'x'))); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(message.find("file': File too large"), std::string::npos) << message;
  EXPECT_EQ(read_text(folder / "file"), "old");
  EXPECT_EQ(folder.num_files(), 1);
}

}  // namespace
}  // namespace secateur
