// Packing: images go to a spool, and a journal says what the spool holds; both survive an interruption.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <system_error>
#include <thread>

#include "hash.h"
#include "image_format.h"
#include "secateur/core/error.h"
#include "secateur/core/log.h"
#include "secateur/data/image_codec.h"
#include "secateur/data/packed.h"
#include "secateur/data/transforms.h"
#include "secateur/io/files.h"
#include "secateur/io/record_file.h"
#include "worker_pool.h"

namespace secateur::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 2> kParts{"train", "val"};
constexpr std::int64_t kBatch = 64;  // images between two writes to the journal

// What the journal says of an image.
struct Entry {
  std::int64_t source = 0;  // its index, training images first
  std::int64_t end = 0;     // of its record in the spool
  std::uint64_t checksum = 0;
  std::int64_t left_out = 0;  // 1: it has no record
};

// A file that grows at its end. Kept open for appending.
class AppendedFile {
 public:
  // Opens it, made when missing and cut to `length`.
  AppendedFile(fs::path path, std::int64_t length) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    require(descriptor_ >= 0, "cannot write '{}': {}", path_.string(), reason());
    if (::ftruncate(descriptor_, length) != 0 || ::lseek(descriptor_, 0, SEEK_END) < 0) {
      const std::string why = reason();
      ::close(descriptor_);
      fail("cannot write '{}': {}", path_.string(), why);
    }
  }
  ~AppendedFile() { ::close(descriptor_); }
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;

  void append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      require(count >= 0, "cannot write '{}': {}", path_.string(), reason());
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }
  void flush() { require(::fsync(descriptor_) == 0, "cannot write '{}': {}", path_.string(), reason()); }

 private:
  static std::string reason() { return std::generic_category().message(errno); }

  fs::path path_;
  int descriptor_ = -1;
};

// Both parts as one list.
class Images {
 public:
  explicit Images(const DataSets& sets) : sets_({&sets.train, &sets.test}) {
    for (const ImageSet* set : sets_) {
      require(set->encoded() != nullptr, "data set '{}' lies in memory; only files of images are packed",
              set->name());
    }
  }
  [[nodiscard]] std::int64_t size() const { return sets_[0]->size() + sets_[1]->size(); }
  [[nodiscard]] std::size_t part_of(std::int64_t i) const { return i < sets_[0]->size() ? 0 : 1; }
  [[nodiscard]] std::int32_t label(std::int64_t i) const { return set_of(i).label(within(i)); }
  [[nodiscard]] std::string name_of(std::int64_t i) const {
    return set_of(i).encoded()->name_of(set_of(i).full_index(within(i)));
  }
  void read(std::int64_t i, std::vector<std::byte>& bytes) const {
    set_of(i).encoded()->read(set_of(i).full_index(within(i)), bytes);
  }
  [[nodiscard]] const std::vector<std::string>& class_names() const { return sets_[0]->class_names(); }

  // Tells other images and options apart: what a journal was written for.
  [[nodiscard]] std::uint64_t fingerprint(const PackOptions& options) const {
    Hasher hasher;
    hasher.add(options.size);
    hasher.add(std::int64_t{options.raw ? 0 : options.quality});
    hasher.add(std::int64_t{options.raw});
    hasher.add(std::int64_t{options.as_is});
    for (const ImageSet* set : sets_) hasher.add(static_cast<std::int64_t>(set->label_hash()));
    for (std::int64_t i = 0; i < size(); ++i) {
      const std::string name = name_of(i);
      hasher.add_bytes(name.data(), name.size() + 1);
    }
    return hasher.digest();
  }

 private:
  [[nodiscard]] const ImageSet& set_of(std::int64_t i) const { return *sets_[part_of(i)]; }
  [[nodiscard]] std::int64_t within(std::int64_t i) const {
    return part_of(i) == 0 ? i : i - sets_[0]->size();
  }

  std::array<const ImageSet*, 2> sets_;
};

// The record of an image. Throws Error when it cannot be decoded.
std::vector<std::byte> record_of(const Images& images, std::int64_t i, const PackOptions& options) {
  std::vector<std::byte> bytes;
  images.read(i, bytes);
  const std::string name = images.name_of(i);
  ImageDecoder decoder(bytes, name);
  const std::int64_t shorter = std::min(decoder.height(), decoder.width());
  const double scale = options.size > 0 && shorter > options.size
                           ? static_cast<double>(options.size) / static_cast<double>(shorter)
                           : 1;
  RgbxImage image =
      decoder.decode();  // also of a file that goes in as it is: now is the time to find it broken
  const auto rearranged = [&](std::vector<std::byte> jpeg) {
    return options.as_is ? std::move(jpeg) : with_restart_markers(jpeg, name);
  };
  if (scale == 1 && !options.raw) return is_jpeg(bytes) ? rearranged(std::move(bytes)) : bytes;
  if (scale != 1) {
    Output output;
    output.scaled_height = output.height = std::lround(static_cast<double>(image.height) * scale);
    output.scaled_width = output.width = std::lround(static_cast<double>(image.width) * scale);
    std::vector<std::uint8_t> rgb(static_cast<std::size_t>(output.height * output.width * 3));
    const Region whole{0, 0, static_cast<double>(image.height), static_cast<double>(image.width)};
    resample(image, whole, output, rgb.data());
    image = {output.height, output.width, std::vector<std::uint8_t>(rgb.size() / 3 * 4)};
    for (std::size_t p = 0; p < rgb.size() / 3; ++p) std::copy_n(&rgb[p * 3], 3, &image.pixels[p * 4]);
  }
  return options.raw ? encode_ppm(image) : rearranged(encode_jpeg(image, options.quality));
}

// Entries of the journal of an interrupted call, as far as the spool holds their records.
std::vector<Entry> read_journal(const fs::path& journal, const fs::path& spool, std::uint64_t fingerprint) {
  if (!fs::exists(journal) || !fs::exists(spool)) return {};
  const std::vector<std::byte> bytes = read_file(journal);
  std::uint64_t found = 0;
  if (bytes.size() < sizeof found) return {};
  std::memcpy(&found, bytes.data(), sizeof found);
  if (found != fingerprint) return {};
  std::vector<Entry> entries((bytes.size() - sizeof found) / sizeof(Entry));
  if (!entries.empty()) {
    std::memcpy(entries.data(), bytes.data() + sizeof found, entries.size() * sizeof(Entry));
  }
  const auto length = static_cast<std::int64_t>(fs::file_size(spool));
  while (!entries.empty() && entries.back().end > length) entries.pop_back();
  return entries;
}

RecordIndex index_of(const Images& images, const std::vector<Entry>& entries, const PackOptions& options) {
  RecordIndex index;
  std::string names;
  for (const std::string& name : images.class_names()) names += name + "\n";
  index.facts = {{"class_names", names},
                 {"encoding", options.raw ? "raw" : "jpeg"},
                 {"shorter_side", std::to_string(options.size)}};
  for (const char* part : kParts) index.parts.push_back({.name = part});
  std::array<std::int64_t, 2> begins{0, 0};
  std::int64_t end = 0;
  for (const Entry& entry : entries) {
    const std::size_t p = images.part_of(entry.source);
    RecordPart& part = index.parts[p];
    if (p == 1 && part.ends.empty()) begins[1] = end;
    end = entry.end;
    if (entry.left_out != 0) continue;
    const fs::path path = images.name_of(entry.source);
    part.ends.push_back(entry.end - begins[p]);
    part.labels.push_back(images.label(entry.source));
    part.checksums.push_back(entry.checksum);
    part.names.push_back((path.parent_path().filename() / path.filename()).string());
  }
  return index;
}

}  // namespace

PackSummary pack_images(const DataSets& sets, const fs::path& file, const PackOptions& options,
                        const PackProgress& progress) {
  require(options.size >= 0 && options.quality >= 1 && options.quality <= 100,
          "images are packed with a shorter side of at least 0 and a quality of 1 to 100, got {} and {}",
          options.size, options.quality);
  const Images images(sets);
  const fs::path spool = file.string() + ".records.tmp";
  const fs::path journal = file.string() + ".journal.tmp";
  const std::uint64_t fingerprint = images.fingerprint(options);
  std::vector<Entry> entries = read_journal(journal, spool, fingerprint);
  PackSummary summary{.resumed = static_cast<std::int64_t>(entries.size())};
  {
    const auto kept = static_cast<std::int64_t>(entries.size() * sizeof(Entry));
    AppendedFile records(spool, entries.empty() ? 0 : entries.back().end);
    AppendedFile log(journal, entries.empty() ? 0 : static_cast<std::int64_t>(sizeof fingerprint) + kept);
    if (entries.empty()) log.append(std::as_bytes(std::span(&fingerprint, 1)));
    const std::int64_t threads = options.threads > 0
                                     ? options.threads
                                     : std::max<std::int64_t>(1, std::thread::hardware_concurrency());
    WorkerPool pool(threads);
    std::vector<std::vector<std::byte>> batch(kBatch);
    std::vector<std::string> reasons(kBatch);
    while (static_cast<std::int64_t>(entries.size()) < images.size()) {
      const auto first = static_cast<std::int64_t>(entries.size());
      const std::int64_t count = std::min(kBatch, images.size() - first);
      pool.run(count, [&](std::int64_t i) {
        const auto slot = static_cast<std::size_t>(i);
        batch[slot].clear();
        reasons[slot].clear();
        try {
          batch[slot] = record_of(images, first + i, options);
        } catch (const Error& error) {
          if (options.strict) throw;
          reasons[slot] = error.what();
        }
      });
      const std::size_t written = entries.size();
      for (std::int64_t i = 0; i < count; ++i) {
        const auto slot = static_cast<std::size_t>(i);
        const bool left_out = !reasons[slot].empty();
        if (left_out) log_line(fmt::format("an image is left out: {}", reasons[slot]));
        records.append(batch[slot]);
        const std::int64_t end = entries.empty() ? 0 : entries.back().end;
        entries.push_back({first + i, end + static_cast<std::int64_t>(batch[slot].size()),
                           record_checksum(batch[slot]), left_out ? 1 : 0});
      }
      // Records first: the journal never says more than is there.
      records.flush();
      log.append(std::as_bytes(std::span(entries).subspan(written)));
      require(!progress || progress(static_cast<std::int64_t>(entries.size()), images.size()),
              "stopped; the same command goes on from here");
    }
  }
  const RecordIndex index = index_of(images, entries, options);
  for (const RecordPart& part : index.parts) {
    summary.records += part.size();
    summary.bytes += part.bytes();
  }
  summary.left_out = images.size() - summary.records;
  write_record_file(file, index, spool);
  fs::remove(spool);
  fs::remove(journal);
  return summary;
}

}  // namespace secateur::data
