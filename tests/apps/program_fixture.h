// A folder of its own for each test, and the program run in a shell: exit code and what it said.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "test_paths.h"

namespace secateur::test {

struct Outcome {
  int code = -1;     // 128 + n where signal n ended it
  std::string text;  // both outputs
  [[nodiscard]] bool says(const std::string& part) const { return text.find(part) != std::string::npos; }
};

class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ =
        std::filesystem::temp_directory_path() / ("secateur-" + test + "-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  // `before` is shell that the program is run after, in the same shell: "ulimit -f 100;", "X=1".
  [[nodiscard]] Outcome run(const std::string& arguments, const std::string& before = "") const {
    const std::string log = path("output.txt");
    const std::string command =
        "( " + before + " " + std::string(kProgram) + " " + arguments + " ) > " + log + " 2>&1";
    const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): the command is ours
    std::ifstream file(log);
    Outcome outcome;
    outcome.text = {std::istreambuf_iterator<char>(file), {}};
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
  }

  std::filesystem::path folder_;
};

}  // namespace secateur::test
