#include "secateur/data/packed.h"

#include <utility>

#include "secateur/core/error.h"
#include "secateur/data/image_codec.h"
#include "secateur/data/image_folder.h"
#include "secateur/io/files.h"
#include "secateur/io/record_file.h"

namespace secateur::data {
namespace {

class PackedImages final : public EncodedImages {
 public:
  PackedImages(std::shared_ptr<const RecordFile> file, const RecordPart& part)
      : file_(std::move(file)), part_(part) {}

  [[nodiscard]] std::int64_t size() const override { return part_.size(); }
  void read(std::int64_t i, std::vector<std::byte>& bytes) const override { file_->read(part_, i, bytes); }
  [[nodiscard]] std::string name_of(std::int64_t i) const override { return file_->name_of(part_, i); }

 private:
  std::shared_ptr<const RecordFile> file_;
  const RecordPart& part_;
};

std::vector<std::string> class_names_of(const RecordFile& file, const std::filesystem::path& path) {
  const auto found = file.index().facts.find("class_names");
  require(found != file.index().facts.end(), "'{}' holds no class names", path.string());
  return lines_of(found->second);
}

ImageSet make_set(const std::shared_ptr<const RecordFile>& file, const std::string& part,
                  std::vector<std::string> class_names, std::int64_t size) {
  const RecordPart& records = file->part(part);
  ImageSetContent content;
  content.name = "packed";
  content.image_shape = {size, size, 3};
  content.labels = records.labels;
  content.class_names = std::move(class_names);
  content.statistics = imagenet_statistics();
  content.encoded = std::make_shared<PackedImages>(file, records);
  return ImageSet(std::move(content));
}

}  // namespace

DataSets read_packed(const std::filesystem::path& path, std::int64_t image_size) {
  const auto file = std::make_shared<const RecordFile>(path);
  const std::vector<std::string> names = class_names_of(*file, path);
  try {
    return {.train = make_set(file, "train", names, image_size),
            .test = make_set(file, "val", names, image_size)};
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", path.string(), error.what()), error.where());
  }
}

std::vector<std::string> verify_packed(const std::filesystem::path& path, const PackProgress& progress) {
  const RecordFile file(path);
  std::int64_t total = 0;
  for (const RecordPart& part : file.index().parts) total += part.size();
  std::vector<std::string> faults;
  std::vector<std::byte> bytes;
  std::int64_t done = 0;
  for (const RecordPart& part : file.index().parts) {
    for (std::int64_t i = 0; i < part.size(); ++i) {
      try {
        file.read(part, i, bytes);
        (void)ImageDecoder(bytes, file.name_of(part, i)).decode();
      } catch (const Error& error) {
        faults.emplace_back(error.what());
      }
      require(!progress || progress(++done, total), "stopped");
    }
  }
  return faults;
}

}  // namespace secateur::data
