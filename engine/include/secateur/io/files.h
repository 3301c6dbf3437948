// Whole files, read and written at once.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace secateur {

// The bytes of a file. Throws Error that names the file and the reason: missing, a folder, no permission, ...
[[nodiscard]] std::vector<std::byte> read_file(const std::filesystem::path& path);
// Likewise, into memory that is used again and again.
void read_file(const std::filesystem::path& path, std::vector<std::byte>& bytes);

// Writes to a temporary file beside `path` (".<name>.<process>.tmp"), flushes it to the disk, renames it over
// `path` and flushes the folder: a kill at any moment leaves the old file or the new one, whole. Throws Error
// that names the file and the reason (no space, no permission, not a regular file, ...); then the old file is
// as it was and there is no temporary one.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);

// What write_file_atomically does, for content that is not in memory: `write` fills the temporary file whose
// path it gets (made, and empty), and may throw; what it throws is passed on.
void replace_file(const std::filesystem::path& path,
                  const std::function<void(const std::filesystem::path&)>& write);

// The lines of a text without their ends ("\n" or "\r\n"); empty ones are kept, so that numbers are an
// editor's.
[[nodiscard]] std::vector<std::string> lines_of(std::string_view text);

}  // namespace secateur
