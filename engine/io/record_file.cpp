#include "secateur/io/record_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>

#include "io/file_descriptor.h"
#include "io/hdf5_library.h"
#include "secateur/core/error.h"
#include "secateur/io/files.h"

namespace secateur {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "secateur-records";
constexpr std::int64_t kVersion = 1;

// HDF5's type of the elements in memory and in the file.
hid_t type_of(const std::int64_t* /*tag*/) { return H5T_NATIVE_INT64; }
hid_t type_of(const std::int32_t* /*tag*/) { return H5T_NATIVE_INT32; }
hid_t type_of(const std::uint64_t* /*tag*/) { return H5T_NATIVE_UINT64; }
hid_t type_of(const char* /*tag*/) { return H5T_NATIVE_UINT8; }

// A one-dimensional data set, contiguous, with its space taken at once.
Hdf5Handle create_array(hid_t group, const char* name, hid_t type, std::int64_t count) {
  const auto extent = static_cast<hsize_t>(count);
  const Hdf5Handle space(H5Screate_simple(1, &extent, nullptr), "describe an array");
  const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), "describe an array");
  check_hdf5(H5Pset_layout(creation.get(), H5D_CONTIGUOUS), "describe an array");
  check_hdf5(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), "describe an array");
  check_hdf5(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "describe an array");
  check_hdf5(H5Pset_obj_track_times(creation.get(), 0), "describe an array");  // equal content, equal bytes
  return {H5Dcreate2(group, name, type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
          "make an array"};
}

template <class T>
void write_array(hid_t group, const char* name, std::span<const T> values) {
  const hid_t type = type_of(values.data());
  const Hdf5Handle array = create_array(group, name, type, static_cast<std::int64_t>(values.size()));
  if (!values.empty()) {
    check_hdf5(H5Dwrite(array.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "write an array");
  }
}

std::int64_t length_of(hid_t array) {
  const Hdf5Handle space(H5Dget_space(array), "look at an array");
  require(H5Sget_simple_extent_ndims(space.get()) == 1, "an array should have one dimension");
  return check_hdf5(H5Sget_simple_extent_npoints(space.get()), "look at an array");
}

// `most`: elements that the file may claim; its own size bounds them.
template <class Values>
Values read_array(hid_t group, const char* name, std::int64_t most) {
  const Hdf5Handle array(H5Dopen2(group, name, H5P_DEFAULT), fmt::format("find '{}'", name));
  const std::int64_t length = length_of(array.get());
  require(length <= most, "'{}' claims {} elements, more than the file has bytes", name, length);
  Values values;
  values.resize(static_cast<std::size_t>(length));
  if (length > 0) {
    check_hdf5(H5Dread(array.get(), type_of(values.data()), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
               fmt::format("read '{}'", name));
  }
  return values;
}

Hdf5Handle open_group(hid_t place, const char* name) {
  return {H5Gopen2(place, name, H5P_DEFAULT), fmt::format("find '{}'", name)};
}
Hdf5Handle create_group(hid_t place, const char* name) {
  return {H5Gcreate2(place, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "make a group"};
}

std::vector<std::string> names_in(hid_t group) {
  std::vector<std::string> names;
  const auto keep = [](hid_t, const char* name, const H5L_info_t*, void* list) -> herr_t {
    static_cast<std::vector<std::string>*>(list)->emplace_back(name);
    return 0;
  };
  check_hdf5(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, keep, &names), "list a group");
  return names;
}

std::string joined_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    require(line.find('\n') == std::string::npos, "the name of a record holds a line break: '{}'", line);
    text += line;
    text += '\n';
  }
  return text;
}

void check_part(const RecordPart& part, std::int64_t bytes) {
  const auto count = part.ends.size();
  require(part.labels.size() == count && part.checksums.size() == count && part.names.size() == count,
          "part '{}': {} ends, {} labels, {} checksums, {} names", part.name, count, part.labels.size(),
          part.checksums.size(), part.names.size());
  require(std::ranges::is_sorted(part.ends) && (count == 0 || part.ends.front() >= 0),
          "part '{}': the ends of its records do not ascend", part.name);
  require(part.bytes() == bytes, "part '{}': its records end at byte {} of {}", part.name, part.bytes(),
          bytes);
}

// Copies a part's records from the spool, each held against its checksum.
void copy_records(const FileDescriptor& spool, const fs::path& spool_path, hid_t group,
                  const RecordPart& part) {
  const Hdf5Handle array = create_array(group, "records", H5T_NATIVE_UINT8, part.bytes());
  const Hdf5Handle file_space(H5Dget_space(array.get()), "look at an array");
  std::vector<std::byte> bytes;
  for (std::int64_t i = 0; i < part.size(); ++i) {
    const auto begin = static_cast<hsize_t>(part.begin(i));
    const hsize_t count = static_cast<hsize_t>(part.ends[static_cast<std::size_t>(i)]) - begin;
    bytes.resize(count);
    require(spool.read_up_to(bytes) == static_cast<ssize_t>(count) &&
                record_checksum(bytes) == part.checksums[static_cast<std::size_t>(i)],
            "'{}' is damaged at record {} of part '{}' ({}): delete it and begin again", spool_path.string(),
            i, part.name, part.names[static_cast<std::size_t>(i)]);
    if (count == 0) continue;
    const Hdf5Handle memory(H5Screate_simple(1, &count, nullptr), "describe a record");
    check_hdf5(H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, &begin, nullptr, &count, nullptr),
               "choose a record's place");
    check_hdf5(
        H5Dwrite(array.get(), H5T_NATIVE_UINT8, memory.get(), file_space.get(), H5P_DEFAULT, bytes.data()),
        "write a record");
  }
}

void write_contents(const fs::path& path, const RecordIndex& index, const fs::path& spool) {
  const FileDescriptor source(spool, O_RDONLY, "read");
  const Hdf5Session session;
  const Hdf5Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), "make the file");
  write_array(file.get(), "format", std::span(std::string_view(kFormat)));
  write_array(file.get(), "version", std::span(&kVersion, 1));
  const Hdf5Handle facts = create_group(file.get(), "facts");
  for (const auto& [key, text] : index.facts)
    write_array(facts.get(), key.c_str(), std::span<const char>(text));
  const Hdf5Handle parts = create_group(file.get(), "parts");
  for (const RecordPart& part : index.parts) {
    check_part(part, part.bytes());
    const Hdf5Handle group = create_group(parts.get(), part.name.c_str());
    write_array(group.get(), "ends", std::span<const std::int64_t>(part.ends));
    write_array(group.get(), "labels", std::span<const std::int32_t>(part.labels));
    write_array(group.get(), "checksums", std::span<const std::uint64_t>(part.checksums));
    write_array(group.get(), "names", std::span<const char>(joined_lines(part.names)));
    copy_records(source, spool, group.get(), part);
  }
  check_hdf5(H5Fflush(file.get(), H5F_SCOPE_GLOBAL), "flush the file");
}

}  // namespace

std::uint64_t record_checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

void write_record_file(const fs::path& path, const RecordIndex& index, const fs::path& spool) {
  replace_file(path, [&](const fs::path& temporary) {
    try {
      write_contents(temporary, index, spool);
    } catch (const Error& error) {
      throw Error(fmt::format("cannot write '{}': {}", path.string(), error.what()), error.where());
    }
  });
}

class RecordFile::Descriptor : public FileDescriptor {
 public:
  using FileDescriptor::FileDescriptor;
};

RecordFile::RecordFile(const fs::path& path)
    : path_(path), descriptor_(std::make_unique<Descriptor>(path, O_RDONLY, "read")) {
  struct stat status {};
  if (::fstat(descriptor_->get(), &status) != 0) fail_on_file("read", path, errno);
  require(S_ISREG(status.st_mode), "cannot read '{}': it is not a regular file", path.string());
  const std::int64_t most = status.st_size;
  try {
    const Hdf5Session session;
    const Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), "open the file");
    require(H5Lexists(file.get(), "format", H5P_DEFAULT) > 0 &&
                read_array<std::string>(file.get(), "format", most) == kFormat,
            "it is an HDF5 file, but none of packed records");
    const auto version = read_array<std::vector<std::int64_t>>(file.get(), "version", most);
    require(version.size() == 1 && version[0] == kVersion, "its format has version {}; this program reads {}",
            version.empty() ? 0 : version[0], kVersion);
    const Hdf5Handle facts = open_group(file.get(), "facts");
    for (const std::string& key : names_in(facts.get())) {
      index_.facts[key] = read_array<std::string>(facts.get(), key.c_str(), most);
    }
    const Hdf5Handle parts = open_group(file.get(), "parts");
    for (const std::string& name : names_in(parts.get())) {
      const Hdf5Handle group = open_group(parts.get(), name.c_str());
      RecordPart part{.name = name,
                      .ends = read_array<std::vector<std::int64_t>>(group.get(), "ends", most),
                      .labels = read_array<std::vector<std::int32_t>>(group.get(), "labels", most),
                      .checksums = read_array<std::vector<std::uint64_t>>(group.get(), "checksums", most),
                      .names = lines_of(read_array<std::string>(group.get(), "names", most))};
      const Hdf5Handle records(H5Dopen2(group.get(), "records", H5P_DEFAULT), "find 'records'");
      const std::int64_t bytes = length_of(records.get());
      check_part(part, bytes);
      const haddr_t offset = bytes == 0 ? 0 : H5Dget_offset(records.get());
      require(offset != HADDR_UNDEF && static_cast<std::int64_t>(offset) <= most - bytes,
              "part '{}': its {} bytes of records are not in one piece within the file", name, bytes);
      offsets_.push_back(static_cast<std::int64_t>(offset));
      index_.parts.push_back(std::move(part));
    }
  } catch (const Error& error) {
    throw Error(fmt::format("cannot read '{}': {}", path.string(), error.what()), error.where());
  }
}

RecordFile::~RecordFile() = default;

const RecordPart& RecordFile::part(const std::string& name) const {
  const auto found = std::ranges::find(index_.parts, name, &RecordPart::name);
  require(found != index_.parts.end(), "'{}' has no part '{}'", path_.string(), name);
  return *found;
}

std::string RecordFile::name_of(const RecordPart& part, std::int64_t i) const {
  return fmt::format("{}, record {} of part '{}' ({})", path_.string(), i, part.name,
                     part.names[static_cast<std::size_t>(i)]);
}

void RecordFile::read(const RecordPart& part, std::int64_t i, std::vector<std::byte>& bytes) const {
  const auto place = static_cast<std::size_t>(&part - index_.parts.data());
  const std::int64_t begin = part.begin(i);
  bytes.resize(static_cast<std::size_t>(part.ends[static_cast<std::size_t>(i)] - begin));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pread(descriptor_->get(), bytes.data() + done, bytes.size() - done,
                                  offsets_[place] + begin + static_cast<std::int64_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_on_file("read", path_, errno);
    require(count > 0, "'{}': the file ends within it", name_of(part, i));
    done += static_cast<std::size_t>(count);
  }
  require(record_checksum(bytes) == part.checksums[static_cast<std::size_t>(i)],
          "'{}' is damaged: its checksum is not the one that was written", name_of(part, i));
}

}  // namespace secateur
