// A file of many records - encoded images, say - in one HDF5 file: per part one contiguous run of bytes, and
// an index beside it.
//
//   /                attributes format = "secateur-records", version = 1
//   /facts/<key>     bytes of a text
//   /parts/<name>/   records (u8, contiguous), ends (i64), labels (i32), checksums (u64, XXH3), names (u8, a
//   line each)
//
// Records are read by offset with pread, past the HDF5 library and its lock: any number of threads and
// processes at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace secateur {

// Index of one part. Record i stands at [ends[i - 1], ends[i]) of the part's bytes, the first one from 0.
struct RecordPart {
  std::string name;
  std::vector<std::int64_t> ends = {};
  std::vector<std::int32_t> labels = {};
  std::vector<std::uint64_t> checksums = {};
  std::vector<std::string> names = {};  // of the records, without line breaks

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(ends.size()); }
  [[nodiscard]] std::int64_t begin(std::int64_t i) const {
    return i == 0 ? 0 : ends[static_cast<std::size_t>(i - 1)];
  }
  [[nodiscard]] std::int64_t bytes() const { return ends.empty() ? 0 : ends.back(); }
};

struct RecordIndex {
  std::map<std::string, std::string> facts;
  std::vector<RecordPart> parts;
};

// XXH3 (64 bits) of a record.
[[nodiscard]] std::uint64_t record_checksum(std::span<const std::byte> bytes);

// Writes the file from `spool`, which holds the bytes of all parts one after another, to a temporary file
// that is flushed and renamed: a kill leaves the old file or the new one, whole. Every record is held against
// its checksum on the way. Throws Error that names the file; the spool stays as it is.
void write_record_file(const std::filesystem::path& path, const RecordIndex& index,
                       const std::filesystem::path& spool);

class RecordFile {
 public:
  // Reads the index. Throws Error that names the file: missing, no file of records, of a newer version, an
  // index that does not fit together or points outside of the file.
  explicit RecordFile(const std::filesystem::path& path);
  ~RecordFile();
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  [[nodiscard]] const RecordIndex& index() const { return index_; }
  // The part of this name. Throws Error when there is none.
  [[nodiscard]] const RecordPart& part(const std::string& name) const;
  // Bytes of record i of a part of this file. Any number of threads at once. Throws Error that names file,
  // part, number and name of the record when it cannot be read or is not what was written.
  void read(const RecordPart& part, std::int64_t i, std::vector<std::byte>& bytes) const;
  // "'FILE', record 12 of part 'train' (n01440764/a.JPEG)": for messages.
  [[nodiscard]] std::string name_of(const RecordPart& part, std::int64_t i) const;

 private:
  class Descriptor;

  std::filesystem::path path_;
  RecordIndex index_;
  std::vector<std::int64_t> offsets_;  // of the parts' bytes in the file
  std::unique_ptr<Descriptor> descriptor_;
};

}  // namespace secateur
