// Checkpoint files: one StateTree in one HDF5 file.
//
// Layout: a 512-byte HDF5 user block (magic "SECATEUR", envelope version, length of the whole file, XXH3-128
// checksum of everything after the user block and of the envelope's own fields), then the HDF5 file. Length
// and checksum are verified before the HDF5 library is handed a byte.
#pragma once

#include <filesystem>

#include "secateur/io/state_tree.h"

namespace secateur {

// Writes to a temporary file beside `path`, flushes it to the disk, renames it over `path` and flushes the
// folder: a kill at any moment leaves the old file or the new one, whole. Throws Error (no space, no
// permission, ...) and then leaves the old file as it was and no temporary one.
void write_checkpoint(const std::filesystem::path& path, const StateTree& tree);

// Throws Error that names the file and what is wrong: missing, not a checkpoint, shorter or longer than it
// says, a checksum that differs, written by a newer version.
[[nodiscard]] StateTree read_checkpoint(const std::filesystem::path& path);

}  // namespace secateur
