#include "secateur/bench/peer.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "bench_scripts.h"
#include "secateur/core/error.h"

namespace secateur::bench {
namespace {

std::filesystem::path make_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "secateur-peer-XXXXXX").string();
  require(::mkdtemp(name.data()) != nullptr, "cannot make a folder like '{}': {}", name,
          std::strerror(errno));
  return name;
}

// This process's environment with OpenMP's number of threads set.
std::vector<std::string> environment_with(std::int64_t threads) {
  const std::array<std::string, 2> own{fmt::format("OMP_NUM_THREADS={}", threads),
                                       fmt::format("MKL_NUM_THREADS={}", threads)};
  std::vector<std::string> result(own.begin(), own.end());
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("OMP_NUM_THREADS=") && !text.starts_with("MKL_NUM_THREADS=")) {
      result.emplace_back(text);
    }
  }
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::string last_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

}  // namespace

struct Peer::Impl {
  std::string python;
  std::filesystem::path folder = make_folder();
  int socket = -1;
  pid_t child = -1;
  std::string received;

  [[nodiscard]] std::filesystem::path errors() const { return folder / "errors.txt"; }

  [[noreturn]] void ended() const {
    const std::string last = last_line(errors());
    fail("the peer '{}' ended without an answer{}{}", python, last.empty() ? "" : ": ", last);
  }

  void spawn(std::vector<std::string> command, std::int64_t threads) {
    std::array<int, 2> ends{};
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0,
            "cannot make a socket for the peer: {}", std::strerror(errno));
    socket = ends[0];
    std::vector<std::string> environment = environment_with(threads);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    constexpr int kWrite = 0x241;  // O_WRONLY | O_CREAT | O_TRUNC
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors().c_str(), kWrite, 0600);
    const int status = ::posix_spawnp(&child, python.c_str(), &actions, nullptr, pointers(command).data(),
                                      pointers(environment).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (status != 0) child = -1;
    require(status == 0, "cannot start '{}': {}; --python names a Python interpreter", python,
            std::strerror(status));
  }

  std::string line() {
    std::array<char, 4096> buffer{};
    while (true) {
      const std::size_t end = received.find('\n');
      if (end != std::string::npos) {
        std::string text = received.substr(0, end);
        received.erase(0, end + 1);
        const auto answer = nlohmann::json::parse(text, nullptr, false);
        require(answer.is_object(), "the peer '{}' answered '{}'", python, text);
        if (answer.contains("error")) fail("the peer: {}", answer["error"].get<std::string>());
        return text;
      }
      const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
      if (count > 0) {
        received.append(buffer.data(), static_cast<std::size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        ended();
      }
    }
  }
};

Peer::Peer(std::string python) : impl_(std::make_unique<Impl>()) { impl_->python = std::move(python); }

Peer::~Peer() {
  if (impl_->socket >= 0) ::close(impl_->socket);
  if (impl_->child > 0) {
    int status = 0;
    while (::waitpid(impl_->child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(impl_->folder, ignored);
}

const std::filesystem::path& Peer::folder() const { return impl_->folder; }

std::string Peer::start(const std::string& script, const std::string& specification, std::int64_t threads) {
  for (const auto& [name, text] : kScripts) std::ofstream(impl_->folder / name) << text;
  const std::filesystem::path file = impl_->folder / "specification.json";
  std::ofstream(file) << specification;
  impl_->spawn({impl_->python, (impl_->folder / script).string(), file.string()}, threads);
  return impl_->line();
}

std::string Peer::ask(std::string_view question) {
  std::string text = std::string(question) + "\n";
  for (std::span<const char> rest = text; !rest.empty();) {
    const ssize_t sent = ::send(impl_->socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) impl_->ended();
    rest = rest.subspan(static_cast<std::size_t>(sent));
  }
  return impl_->line();
}

}  // namespace secateur::bench
