// What every fuzz target has in common. A target is one source in targets/: the entry point below, and
// nothing else that the outside sees. libFuzzer calls it (option SECATEUR_FUZZ), and so does the stand-alone
// driver.
//
// The rule that all of them prove: whatever the bytes are, the reader either takes them or throws
// secateur::Error. Any other exception, a signal, an assert or a sanitizer's report ends the process.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "secateur/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace secateur::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// For a promise that was broken without a crash.
[[noreturn]] inline void broken(const char* promise, std::string_view detail = "") {
  std::fprintf(stderr, "broken promise: %s %.*s\n", promise, static_cast<int>(detail.size()), detail.data());
  std::abort();
}

// Runs the reader; returns the Error's message, or "" where it took the input.
template <class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    std::string message = error.what();
    if (message.empty()) broken("an Error says what is wrong");
    return message;
  }
  return "";
}

// A file that lies in memory, for readers that take a path.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("secateur-fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0) broken("a file in memory can be made");
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void fill(std::span<const std::uint8_t> bytes) const {
    const bool written =
        ::ftruncate(descriptor_, 0) == 0 &&
        ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
    if (!written) broken("a file in memory can be written");
  }
  // Below folder(), as readers of folders want it.
  [[nodiscard]] std::string name() const { return "fd/" + std::to_string(descriptor_); }
  [[nodiscard]] static std::filesystem::path folder() { return "/proc/self"; }
  [[nodiscard]] std::filesystem::path path() const { return folder() / name(); }

 private:
  int descriptor_;
};

}  // namespace secateur::fuzz
