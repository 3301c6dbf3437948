// Whole files, read and written at once.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
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

}  // namespace secateur
