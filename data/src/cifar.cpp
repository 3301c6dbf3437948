#include "secateur/data/cifar.h"

#include <cstdlib>
#include <span>
#include <string_view>
#include <utility>

#include "secateur/core/error.h"
#include "secateur/io/files.h"

namespace secateur::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 32;
constexpr std::int64_t kChannels = 3;
constexpr std::int64_t kPlane = kSide * kSide;

std::vector<std::byte> read_part(const CifarLayout& layout, const fs::path& file) {
  require(fs::exists(file), "missing file {}: data set '{}' needs it", file.string(), layout.name);
  return read_file(file);
}

void check_size(const CifarLayout& layout, const fs::path& file, std::int64_t bytes, std::int64_t records) {
  const std::int64_t expected = records * layout.record_bytes();
  require(bytes >= expected,
          "{}: truncated at byte offset {}, in record {} of {}; the file should have {} bytes ({} a record)",
          file.string(), bytes, bytes / layout.record_bytes(), records, expected, layout.record_bytes());
  require(bytes == expected,
          "{}: wrong size: {} bytes where {} are expected ({} records of {}); what stands from byte offset "
          "{} on is "
          "unknown",
          file.string(), bytes, expected, records, layout.record_bytes(), expected);
}

// Appends the records of one file to the set.
void read_records(const CifarLayout& layout, const fs::path& file, std::int64_t records,
                  ImageSetContent& content) {
  const std::vector<std::byte> bytes = read_part(layout, file);
  check_size(layout, file, static_cast<std::int64_t>(bytes.size()), records);
  const std::size_t first_pixel = content.pixels.size();
  content.pixels.resize(first_pixel + static_cast<std::size_t>(records * kPlane * kChannels));
  std::uint8_t* pixel = content.pixels.data() + first_pixel;
  for (std::int64_t record = 0; record < records; ++record) {
    const std::int64_t label_offset = record * layout.record_bytes() + layout.label_bytes - 1;
    const auto* source = reinterpret_cast<const std::uint8_t*>(bytes.data() + label_offset);
    require(source[0] < layout.num_classes,
            "{}: label {} at byte offset {} (record {}) is out of range 0..{}", file.string(), source[0],
            label_offset, record, layout.num_classes - 1);
    content.labels.push_back(source[0]);
    ++source;
    for (std::int64_t position = 0; position < kPlane; ++position) {
      for (std::int64_t c = 0; c < kChannels; ++c) *pixel++ = source[c * kPlane + position];
    }
  }
}

std::vector<std::string> read_class_names(const CifarLayout& layout, const fs::path& file) {
  const std::vector<std::byte> bytes = read_part(layout, file);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::string> names = lines_of(text);
  std::erase(names, "");
  require(static_cast<std::int64_t>(names.size()) == layout.num_classes,
          "{}: {} class names where {} are expected", file.string(), names.size(), layout.num_classes);
  return names;
}

ImageSet read_set(const CifarLayout& layout, const fs::path& folder, const std::vector<std::string>& files,
                  std::int64_t records, std::vector<std::string> class_names) {
  ImageSetContent content;
  content.name = layout.name;
  content.image_shape = {kSide, kSide, kChannels};
  content.class_names = std::move(class_names);
  content.statistics = layout.statistics;
  content.pixels.reserve(files.size() * static_cast<std::size_t>(records * kPlane * kChannels));
  for (const std::string& file : files) read_records(layout, folder / file, records, content);
  return ImageSet(std::move(content));
}

}  // namespace

const CifarLayout& cifar10_layout() {
  static const CifarLayout layout{
      .name = "cifar10",
      .folder = "cifar-10-batches-bin",
      .train_files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                      "data_batch_5.bin"},
      .test_files = {"test_batch.bin"},
      .records_per_train_file = 10000,
      .records_per_test_file = 10000,
      .names_file = "batches.meta.txt",
      .label_bytes = 1,
      .num_classes = 10,
      .statistics = {.mean = {0.4914, 0.4822, 0.4465}, .deviation = {0.2470, 0.2435, 0.2616}}};
  return layout;
}

const CifarLayout& cifar100_layout() {
  static const CifarLayout layout{
      .name = "cifar100",
      .folder = "cifar-100-binary",
      .train_files = {"train.bin"},
      .test_files = {"test.bin"},
      .records_per_train_file = 50000,
      .records_per_test_file = 10000,
      .names_file = "fine_label_names.txt",
      .label_bytes = 2,
      .num_classes = 100,
      .statistics = {.mean = {0.5071, 0.4865, 0.4409}, .deviation = {0.2673, 0.2564, 0.2762}}};
  return layout;
}

fs::path find_cifar(const CifarLayout& layout, const std::optional<fs::path>& directory) {
  fs::path base;
  if (directory) {
    base = *directory;
  } else {
    const char* variable = std::getenv("SECATEUR_DATA");
    require(variable != nullptr && *variable != '\0',
            "where is data set '{}'? Name its folder with --data-dir or in the environment variable "
            "SECATEUR_DATA, or "
            "download it with `secateur data fetch {}`",
            layout.name, layout.name);
    base = variable;
  }
  for (const fs::path& candidate : {base, base / layout.folder}) {
    // Any file of the set will do: what is missing beside it is then said by name.
    for (const auto* files : {&layout.train_files, &layout.test_files}) {
      for (const std::string& file : *files) {
        if (fs::exists(candidate / file)) return candidate;
      }
    }
  }
  fail("data set '{}' is not in {} nor in {}: looked for {}", layout.name, base.string(),
       (base / layout.folder).string(), layout.train_files.front());
}

DataSets read_cifar(const CifarLayout& layout, const fs::path& folder) {
  const std::vector<std::string> names = read_class_names(layout, folder / layout.names_file);
  return {.train = read_set(layout, folder, layout.train_files, layout.records_per_train_file, names),
          .test = read_set(layout, folder, layout.test_files, layout.records_per_test_file, names)};
}

}  // namespace secateur::data
