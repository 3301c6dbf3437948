// Download of the public data sets, by the system's own programs: curl (or wget), md5sum, tar.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace secateur::data {

// An archive (.tar.gz) and what it should hold.
struct ArchiveSource {
  std::string url;
  std::string md5;         // 32 hexadecimal digits
  std::int64_t bytes = 0;  // of the archive; 0: not known
  std::string folder;      // what the archive unpacks to
};

// Gets a line for each step, and for the progress of the download about once a second.
using FetchLog = std::function<void(std::string_view line)>;

// The publisher's archive of "cifar10" or "cifar100". Throws Error for another name.
[[nodiscard]] ArchiveSource source_of(std::string_view dataset);

// Downloads, checks size and checksum, unpacks, and moves the folder to directory/source.folder, whose path
// it returns; the directory is made when missing. A folder that is there already is left as it is. Until the
// last step everything happens in a temporary folder inside `directory`, which is removed in the end whatever
// happens; what a killed process left of its own goes first. Throws Error: no network, no such address, a
// missing program (by name), a download cut short or of another size, another checksum, an archive that does
// not unpack to the folder.
std::filesystem::path fetch_archive(const ArchiveSource& source, const std::filesystem::path& directory,
                                    const FetchLog& log = {});

}  // namespace secateur::data
