// POSIX file descriptors with their errors turned into Error.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <span>

namespace secateur {

// Owner of an open file.
class FileDescriptor {
 public:
  // Throws Error "cannot <purpose> '<path>': <reason>" when the system refuses; `told` stands there in place
  // of the path where the user knows the file by another name. The descriptor is closed on exec.
  FileDescriptor(const std::filesystem::path& path, int flags, const char* purpose,
                 const std::filesystem::path& told = {});
  ~FileDescriptor();
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  [[nodiscard]] int get() const { return descriptor_; }

  // Writes everything. Returns 0, or errno of the write that failed; some bytes may then be written.
  [[nodiscard]] int write_all(std::span<const std::byte> bytes) const;
  // Reads until `bytes` is full or the file ends. Returns the bytes read, or -1 with errno set.
  [[nodiscard]] ssize_t read_up_to(std::span<std::byte> bytes) const;
  // Flushes to the disk. Returns 0 or errno.
  [[nodiscard]] int sync() const;
  // Closes early, to see the error that some file systems report only then. Returns 0 or errno.
  [[nodiscard]] int close();

 private:
  int descriptor_;
};

// Throws Error "cannot <purpose> '<path>': <text of the error number>".
[[noreturn]] void fail_on_file(const char* purpose, const std::filesystem::path& path, int error_number);

}  // namespace secateur
