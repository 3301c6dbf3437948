#include "secateur/io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string>

#include "io/file_descriptor.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

constexpr const char* kWriting = "write";

// Removes a temporary file unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    if (!kept_) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Returns 0 or errno.
  [[nodiscard]] int rename_to(const std::filesystem::path& target) {
    if (std::rename(path_.c_str(), target.c_str()) != 0) return errno;
    kept_ = true;
    return 0;
  }

 private:
  std::filesystem::path path_;
  bool kept_ = false;
};

void refuse_unless_regular(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return;  // not there yet; other reasons show when it is opened
  require(!S_ISDIR(status.st_mode), "cannot write '{}': it is a folder", path.string());
  // Renaming over a device or a pipe would replace it.
  require(S_ISREG(status.st_mode), "cannot write '{}': it is not a regular file", path.string());
}

}  // namespace

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  std::vector<std::byte> bytes;
  read_file(path, bytes);
  return bytes;
}

void read_file(const std::filesystem::path& path, std::vector<std::byte>& bytes) {
  const FileDescriptor file(path, O_RDONLY, "read");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_on_file("read", path, errno);
  require(!S_ISDIR(status.st_mode), "cannot read '{}': it is a folder", path.string());

  bytes.resize(static_cast<std::size_t>(status.st_size));
  ssize_t count = file.read_up_to(bytes);
  if (count < 0) fail_on_file("read", path, errno);
  bytes.resize(static_cast<std::size_t>(count));
  // Files that grow, and those without a size of their own (pipes, /proc).
  std::array<std::byte, 4096> more{};
  while ((count = file.read_up_to(more)) > 0) bytes.insert(bytes.end(), more.begin(), more.begin() + count);
  if (count < 0) fail_on_file("read", path, errno);
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  replace_file(path, [&](const std::filesystem::path& temporary) {
    FileDescriptor file(temporary, O_WRONLY, kWriting, path);
    int error = file.write_all(bytes);
    if (error == 0) error = file.close();
    if (error != 0) fail_on_file(kWriting, path, error);
  });
}

void replace_file(const std::filesystem::path& path,
                  const std::function<void(const std::filesystem::path&)>& write) {
  require(path.has_filename(), "cannot write '{}': it names no file", path.string());
  refuse_unless_regular(path);

  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const std::string name = "." + path.filename().string() + "." + std::to_string(::getpid()) + ".tmp";
  {
    // O_TRUNC, not O_EXCL: a killed process of the same number may have left one.
    const FileDescriptor file(folder / name, O_WRONLY | O_CREAT | O_TRUNC, kWriting, path);
    TemporaryFile temporary(folder / name);
    write(temporary.path());
    int error = file.sync();
    if (error == 0) error = temporary.rename_to(path);
    if (error != 0) fail_on_file(kWriting, path, error);
  }
  const FileDescriptor directory(folder, O_RDONLY | O_DIRECTORY, "flush");
  const int error = directory.sync();
  // Some file systems cannot flush a folder and say so by EINVAL; there is nothing better to do there.
  if (error != 0 && error != EINVAL) fail_on_file("flush", folder, error);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    begin = end + 1;
  }
  return lines;
}

}  // namespace secateur
