// The index of a packed file: the input is laid over the arrays of a valid one - where records end, their
// labels, checksums and names, and the records. The structure around them is the HDF5 library's, and stays.
#include <algorithm>
#include <array>
#include <fstream>

#include "fuzz/fuzz_target.h"
#include "secateur/data/packed.h"
#include "secateur/io/files.h"
#include "secateur/io/record_file.h"

namespace {

using namespace secateur;

struct Place {
  std::size_t offset;
  std::size_t count;
};

// A packed file with three records of four bytes a part, and where its arrays lie.
class PackedFile {
 public:
  PackedFile() {
    const std::filesystem::path folder = std::filesystem::temp_directory_path();
    const std::string stem = "secateur-fuzz-" + std::to_string(::getpid());
    const std::filesystem::path spool = folder / (stem + ".spool");
    const std::filesystem::path file = folder / (stem + ".h5");
    RecordIndex index;
    index.facts = {{"class_names", "ape\nbee"}};
    std::string records;
    for (const std::string name : {"train", "val"}) {
      RecordPart part{.name = name};
      for (std::int32_t i = 0; i < 3; ++i) {
        const std::string record = name.substr(0, 3) + std::to_string(i);
        records += record;
        part.ends.push_back(4 * (i + 1));
        part.labels.push_back(i % 2);
        part.checksums.push_back(record_checksum(std::as_bytes(std::span(record))));
        part.names.push_back("the " + record);
      }
      index.parts.push_back(std::move(part));
    }
    write_file_atomically(spool, std::as_bytes(std::span(records)));
    write_record_file(file, index, spool);
    const std::vector<std::byte> read = read_file(file);
    for (const std::byte byte : read) bytes_.push_back(static_cast<std::uint8_t>(byte));
    std::filesystem::remove(spool);
    std::filesystem::remove(file);
    for (const RecordPart& part : index.parts) {
      find(part.ends.data(), part.ends.size());
      find(part.labels.data(), part.labels.size());
      find(part.checksums.data(), part.checksums.size());
      const std::string names = part.names[0] + "\n" + part.names[1] + "\n" + part.names[2] + "\n";
      find(names.data(), names.size());
      find(records.data() + (part.name == "train" ? 0 : 12), 12);
    }
  }

  // The file with the input over its arrays, as far as that reaches.
  [[nodiscard]] std::vector<std::uint8_t> with(std::span<const std::uint8_t> input) const {
    std::vector<std::uint8_t> file = bytes_;
    for (const Place& place : places_) {
      const std::size_t count = std::min(place.count, input.size());
      std::copy_n(input.begin(), count, file.begin() + static_cast<std::ptrdiff_t>(place.offset));
      input = input.subspan(count);
    }
    return file;
  }

 private:
  // Equal arrays of both parts stand in the file in the order of the parts: each is searched for behind the
  // place that was found last.
  template <class T>
  void find(const T* values, std::size_t count) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(values);
    const std::size_t size = count * sizeof(T);
    auto from = bytes_.begin();
    while (true) {
      const auto at = std::search(from, bytes_.end(), bytes, bytes + size);
      if (at == bytes_.end()) fuzz::broken("an array lies in the file as it was given");
      const Place place{static_cast<std::size_t>(at - bytes_.begin()), size};
      if (std::ranges::none_of(places_, [&](const Place& p) { return p.offset == place.offset; })) {
        places_.push_back(place);
        return;
      }
      from = at + 1;
    }
  }

  std::vector<std::uint8_t> bytes_;
  std::vector<Place> places_;
};

// The HDF5 library opens no file that has no real path, as one in memory.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_(std::filesystem::temp_directory_path() /
              ("secateur-fuzz-" + std::to_string(::getpid()) + ".packed")) {}
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void fill(const std::vector<std::uint8_t>& bytes) const {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::filesystem::path path_;
};

std::string message_of_reading(const std::filesystem::path& path) {
  return fuzz::message_of([&] {
    const data::DataSets sets = data::read_packed(path, 8);
    for (const data::ImageSet* part : {&sets.train, &sets.test}) {
      for (std::int64_t i = 0; i < part->size(); ++i) {
        if (part->label(i) < 0 || part->label(i) >= part->num_classes()) fuzz::broken("labels are in range");
      }
    }
  });
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PackedFile packed;
  static const TemporaryFile file;
  static const bool valid_is_read = [] {
    file.fill(packed.with({}));
    const std::string refused = message_of_reading(file.path());
    if (!refused.empty()) fuzz::broken("a valid file is read:", refused);
    return true;
  }();
  static_cast<void>(valid_is_read);
  file.fill(packed.with({data, size}));
  static_cast<void>(message_of_reading(file.path()));
  static_cast<void>(fuzz::message_of([] { static_cast<void>(data::verify_packed(file.path())); }));
  return 0;
}
