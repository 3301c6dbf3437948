#include "io/file_descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "secateur/core/error.h"

namespace secateur {
namespace {

// Linux transfers at most this many bytes a call (0x7ffff000); a round number below it.
constexpr std::size_t kMostBytesPerCall = std::size_t{1} << 30;

}  // namespace

void fail_on_file(const char* purpose, const std::filesystem::path& path, int error_number) {
  fail("cannot {} '{}': {}", purpose, path.string(), std::generic_category().message(error_number));
}

FileDescriptor::FileDescriptor(const std::filesystem::path& path, int flags, const char* purpose,
                               const std::filesystem::path& told) {
  constexpr mode_t kAnyoneButForUmask = 0666;
  do {
    descriptor_ = ::open(path.c_str(), flags | O_CLOEXEC, kAnyoneButForUmask);
  } while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) fail_on_file(purpose, told.empty() ? path : told, errno);
}

FileDescriptor::~FileDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int FileDescriptor::write_all(std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kMostBytesPerCall));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return 0;
}

ssize_t FileDescriptor::read_up_to(std::span<std::byte> bytes) const {
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t count =
        ::read(descriptor_, bytes.data() + filled, std::min(bytes.size() - filled, kMostBytesPerCall));
    if (count < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(filled);
}

int FileDescriptor::sync() const {
  int result = 0;
  do {
    result = ::fsync(descriptor_);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

int FileDescriptor::close() {
  // After EINTR the descriptor is closed all the same on Linux; a second close could hit another file.
  const int result = ::close(std::exchange(descriptor_, -1));
  return result == 0 || errno == EINTR ? 0 : errno;
}

}  // namespace secateur
