// A run as a process of its own, which is stopped by a signal and goes on, and what its network is compared
// by.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "secateur/io/checkpoint.h"
#include "test_paths.h"

namespace secateur::test {

// A process of the program, its output in a file.
class Process {
 public:
  Process(const std::string& arguments, const std::filesystem::path& log) {
    std::istringstream split(arguments);
    std::vector<std::string> words{kProgram};
    for (std::string word; split >> word;) words.push_back(word);
    std::vector<char*> pointers;
    pointers.reserve(words.size() + 1);
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    EXPECT_EQ(posix_spawn(&id_, kProgram, &actions, nullptr, pointers.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  [[nodiscard]] int wait() {
    int status = 0;
    waitpid(id_, &status, 0);
    running_ = false;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void send(int signal) const { ::kill(id_, signal); }
  [[nodiscard]] bool has_ended() {
    if (!running_) return true;
    int status = 0;
    running_ = waitpid(id_, &status, WNOHANG) == 0;
    return !running_;
  }

 private:
  pid_t id_ = -1;
  bool running_ = true;
};

class Resumption : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("secateur-resume-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::filesystem::path log() const { return folder_ / "output.txt"; }
  [[nodiscard]] std::string output() const {
    std::ifstream file(log());
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void run(const std::string& arguments) const {
    Process process(arguments, log());
    ASSERT_EQ(process.wait(), 0) << output();
  }

  // Starts the run and sends it a signal once its checkpoint was written `times` times (each is a new file),
  // and `later` than that. Returns the exit code; -1 where the signal killed it.
  int stop(int signal, const std::string& arguments, const std::filesystem::path& checkpoint, int times,
           std::chrono::milliseconds later = {}) const {
    Process process(arguments, log());
    ino_t seen = 0;
    timespec written{};
    while (times > 0 && !process.has_ended()) {
      struct stat found {};
      const bool there = stat(checkpoint.c_str(), &found) == 0;
      const bool is_new = there && (found.st_ino != seen || found.st_mtim.tv_sec != written.tv_sec ||
                                    found.st_mtim.tv_nsec != written.tv_nsec);
      if (is_new) {
        seen = found.st_ino;
        written = found.st_mtim;
        --times;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    std::this_thread::sleep_for(later);
    EXPECT_FALSE(process.has_ended()) << "the run ended before it could be stopped\n" << output();
    process.send(signal);
    return process.wait();
  }
  void run_until_checkpoint(const std::string& arguments, const std::filesystem::path& checkpoint,
                            int times) const {
    EXPECT_EQ(stop(SIGKILL, arguments, checkpoint, times), -1);
  }

  // Everything of the network and the trainer that a checkpoint holds.
  [[nodiscard]] std::map<std::string, StateValue> state(const std::string& run) const {
    std::map<std::string, StateValue> result;
    const StateTree tree = read_checkpoint(path(run + "/model.h5"));
    for (const auto& [name, value] : tree.entries()) {
      if (name.starts_with("model/") || name.starts_with("trainer/") || name.starts_with("loop/"))
        result.emplace(name, value);
    }
    return result;
  }

  void expect_same_state(const std::string& a, const std::string& b) const {
    const auto first = state(a);
    const auto second = state(b);
    ASSERT_GT(first.size(), 20U);
    ASSERT_EQ(first.size(), second.size());
    for (const auto& [name, value] : first) {
      EXPECT_TRUE(second.contains(name) && second.at(name) == value) << name << " differs";
    }
  }

  std::filesystem::path folder_;
};

}  // namespace secateur::test
