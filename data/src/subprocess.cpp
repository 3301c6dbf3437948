#include "subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "secateur/core/error.h"

extern char**
    environ;  // NOLINT(readability-redundant-declaration): POSIX leaves the declaration to the program

namespace secateur::data {
namespace {

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class Pipe {
 public:
  Pipe() { require(pipe2(ends_.data(), O_CLOEXEC) == 0, "cannot open a pipe: {}", std::strerror(errno)); }
  ~Pipe() {
    close_end(ends_[0]);
    close_end(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  [[nodiscard]] int reader() const { return ends_[0]; }
  [[nodiscard]] int writer() const { return ends_[1]; }
  void close_writer() { close_end(ends_[1]); }

 private:
  static void close_end(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
  std::array<int, 2> ends_{-1, -1};
};

// A running program; ended when it is left behind by an exception.
class Child {
 public:
  explicit Child(pid_t id) : id_(id) {}
  ~Child() {
    if (id_ <= 0) return;
    kill(id_, SIGTERM);
    wait_for_end();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int wait_for_end() {
    int status = 0;
    while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    id_ = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  pid_t id_;
};

// Reads until every holder of the writing end is gone.
std::string read_all(int reader, const std::function<void()>& tick) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (true) {
    pollfd waiting{.fd = reader, .events = POLLIN, .revents = 0};
    const int ready = poll(&waiting, 1, 1000);
    if (ready == 0 && tick) tick();
    if (ready <= 0) continue;
    const ssize_t count = read(reader, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

std::optional<ProgramResult> run_program(const std::vector<std::string>& arguments,
                                         const std::function<void()>& tick) {
  Pipe pipe;
  FileActions actions;
  posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(actions.get(), pipe.writer(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(actions.get(), pipe.writer(), STDERR_FILENO);

  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  for (std::string& copy : copies) pointers.push_back(copy.data());
  pointers.push_back(nullptr);

  pid_t id = 0;
  const int error = posix_spawnp(&id, pointers[0], actions.get(), nullptr, pointers.data(), environ);
  if (error == ENOENT) return std::nullopt;
  require(error == 0, "cannot start {}: {}", arguments[0], std::strerror(error));
  Child child(id);
  pipe.close_writer();
  ProgramResult result;
  result.output = read_all(pipe.reader(), tick);
  result.exit_code = child.wait_for_end();
  return result;
}

}  // namespace secateur::data
