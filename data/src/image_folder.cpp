#include "secateur/data/image_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/data/devkit.h"
#include "secateur/io/files.h"

namespace secateur::data {
namespace {

namespace fs = std::filesystem;

// What the publisher calls the development kit's folder and, in it, the classes of the validation images.
constexpr const char* kDevkit = "ILSVRC2012_devkit_t12";
constexpr const char* kGroundTruth = "ILSVRC2012_validation_ground_truth.txt";

// Files below a folder. A million paths stand in one string: as strings of their own they would take thrice
// the memory.
class FolderImages final : public EncodedImages {
 public:
  explicit FolderImages(fs::path root) : root_(std::move(root)) {}
  void add(const std::string& path) {
    paths_ += path;
    ends_.push_back(paths_.size());
  }

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(ends_.size()); }
  void read(std::int64_t i, std::vector<std::byte>& bytes) const override { read_file(path_of(i), bytes); }
  [[nodiscard]] std::string name_of(std::int64_t i) const override { return path_of(i).string(); }

 private:
  [[nodiscard]] fs::path path_of(std::int64_t i) const {
    const auto index = static_cast<std::size_t>(i);
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return root_ / paths_.substr(begin, ends_[index] - begin);
  }

  fs::path root_;
  std::string paths_;
  std::vector<std::size_t> ends_;
};

struct Classes {
  std::vector<std::string> folders;            // by label
  std::vector<std::string> names;              // likewise
  std::map<std::string, std::int32_t> labels;  // by folder
};

struct Part {
  std::shared_ptr<FolderImages> images;
  std::vector<std::int32_t> labels;
};

bool is_image(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".jpeg" || ending == ".jpg" || ending == ".png" || ending == ".ppm";
}

// Names of what lies in a folder and passes, sorted.
template <class Predicate>
std::vector<std::string> list_folder(const fs::path& folder, Predicate&& wanted) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with('.') && wanted(*entry)) names.push_back(name);
  }
  require(!error, "cannot list the folder '{}': {}", folder.string(), error.message());
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> class_folders(const fs::path& folder) {
  return list_folder(folder, [](const fs::directory_entry& entry) { return entry.is_directory(); });
}
std::vector<std::string> image_files(const fs::path& folder) {
  return list_folder(folder, [](const fs::directory_entry& entry) { return is_image(entry.path()); });
}

std::vector<std::string> read_lines(const fs::path& file) {
  const std::vector<std::byte> bytes = read_file(file);
  return lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// The part before the first blank or comma, and what follows.
std::pair<std::string, std::string> split_word(const std::string& line) {
  constexpr const char* kBetween = " \t,";
  const std::size_t end = std::min(line.find_first_of(kBetween), line.size());
  const std::size_t rest = std::min(line.find_first_not_of(kBetween, end), line.size());
  return {line.substr(0, end), line.substr(rest)};
}

Classes read_classes(const fs::path& train, const fs::path& class_map) {
  Classes classes;
  if (class_map.empty()) {
    classes.folders = class_folders(train);
    classes.names = classes.folders;
  } else {
    for (const std::string& line : read_lines(class_map)) {
      const auto [folder, name] = split_word(line);
      if (folder.empty()) continue;
      classes.folders.push_back(folder);
      classes.names.push_back(name.empty() ? folder : name);
    }
  }
  for (std::size_t i = 0; i < classes.folders.size(); ++i) {
    const bool is_new = classes.labels.emplace(classes.folders[i], static_cast<std::int32_t>(i)).second;
    require(is_new, "{}: class '{}' stands there twice", class_map.string(), classes.folders[i]);
  }
  require(!classes.folders.empty(), "there are no folders of classes in '{}'", train.string());
  return classes;
}

Part read_class_folders(const fs::path& folder, const Classes& classes) {
  Part part{std::make_shared<FolderImages>(folder), {}};
  for (const std::string& name : class_folders(folder)) {
    const auto found = classes.labels.find(name);
    require(found != classes.labels.end(), "'{}' is the folder of no known class{}", (folder / name).string(),
            did_you_mean(name, classes.folders));
    const std::vector<std::string> files = image_files(folder / name);
    require(!files.empty(), "there are no images (.jpeg, .jpg, .png, .ppm) in '{}'",
            (folder / name).string());
    for (const std::string& file : files) {
      part.images->add(fmt::format("{}/{}", name, file));
      part.labels.push_back(found->second);
    }
  }
  return part;
}

std::optional<std::int64_t> whole_number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

fs::path find_label_file(const fs::path& root, const fs::path& given) {
  if (!given.empty()) return given;
  const std::array<fs::path, 5> candidates{root / "val.txt", root / "LOC_val_solution.csv",
                                           root / kGroundTruth, root / kDevkit / "data" / kGroundTruth,
                                           root / "val" / "val_annotations.txt"};
  for (const fs::path& candidate : candidates) {
    if (fs::exists(candidate)) return candidate;
  }
  fail(
      "the images in '{}' stand in no folders of classes, and none of val.txt, LOC_val_solution.csv, {}, "
      "{}/data/{} is beside it: name a file with their classes by --val-labels",
      (root / "val").string(), kGroundTruth, kDevkit, kGroundTruth);
}

// Label of every class number, from 1: the class map's lines, or else the classes of the development kit that
// the numbers lie in, of which training need not have all (-1).
std::vector<std::int32_t> numbered_classes(const fs::path& label_file, const Classes& classes, bool mapped) {
  std::vector<std::int32_t> labels;
  if (mapped) {
    labels.resize(classes.folders.size());
    std::iota(labels.begin(), labels.end(), 0);
    return labels;
  }
  const fs::path meta = label_file.parent_path() / "meta.mat";
  require(fs::exists(meta),
          "{}: the classes are numbers, which need the development kit's meta.mat beside them, or "
          "--class-map: a line a class, in their order",
          label_file.string());
  for (const DevkitClass& entry : read_devkit_classes(meta)) {
    const auto found = classes.labels.find(entry.folder);
    labels.push_back(found != classes.labels.end() ? found->second : -1);
  }
  return labels;
}

// Labels by number: line i is of file i.
Part numbered_labels(Part part, const std::vector<std::string>& files, const std::vector<std::string>& lines,
                     const fs::path& file, const std::vector<std::int32_t>& label_of) {
  require(lines.size() == files.size(), "{}: {} lines for {} images", file.string(), lines.size(),
          files.size());
  const auto count = static_cast<std::int64_t>(label_of.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::optional<std::int64_t> number = whole_number(split_word(lines[i]).first);
    require(number && *number >= 1 && *number <= count,
            "{}:{}: expected a class's number from 1 to {}, got '{}'", file.string(), i + 1, count, lines[i]);
    const std::int32_t label = label_of[static_cast<std::size_t>(*number - 1)];
    require(label >= 0, "{}:{}: there is no folder of training images for class number {}", file.string(),
            i + 1, *number);
    part.images->add(files[i]);
    part.labels.push_back(label);
  }
  return part;
}

Part read_flat_folder(const fs::path& folder, const fs::path& label_file, const Classes& classes,
                      bool mapped) {
  Part part{std::make_shared<FolderImages>(folder), {}};
  const std::vector<std::string> files = image_files(folder);
  require(!files.empty(), "there are no images (.jpeg, .jpg, .png, .ppm) in '{}'", folder.string());
  const std::vector<std::string> lines = read_lines(label_file);
  require(!lines.empty(), "'{}' is empty", label_file.string());
  if (whole_number(lines.front())) {
    return numbered_labels(std::move(part), files, lines, label_file,
                           numbered_classes(label_file, classes, mapped));
  }
  std::map<std::string, std::int32_t> by_stem;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto [name, rest] = split_word(lines[i]);
    const std::string folder_name = split_word(rest).first;
    if (name.empty() || (i == 0 && name == "ImageId")) continue;  // Kaggle's heading
    const auto found = classes.labels.find(folder_name);
    require(found != classes.labels.end(), "{}:{}: '{}' is no known class{}", label_file.string(), i + 1,
            folder_name, did_you_mean(folder_name, classes.folders));
    by_stem[fs::path(name).stem().string()] = found->second;
  }
  for (const std::string& file : files) {
    const auto found = by_stem.find(fs::path(file).stem().string());
    require(found != by_stem.end(), "{} says no class of '{}'", label_file.string(),
            (folder / file).string());
    part.images->add(file);
    part.labels.push_back(found->second);
  }
  return part;
}

ImageSet make_set(Part part, const Classes& classes, std::int64_t size) {
  ImageSetContent content;
  content.name = "imagefolder";
  content.image_shape = {size, size, 3};
  content.labels = std::move(part.labels);
  content.class_names = classes.names;
  content.statistics = imagenet_statistics();
  content.encoded = std::move(part.images);
  return ImageSet(std::move(content));
}

}  // namespace

ChannelStatistics imagenet_statistics() {
  return {.mean = {0.485, 0.456, 0.406}, .deviation = {0.229, 0.224, 0.225}};
}

DataSets read_image_folder(const fs::path& root, const ImageFolderOptions& options) {
  const std::array<fs::path, 2> candidates{root, root / "ILSVRC" / "Data" / "CLS-LOC"};
  const auto* base =
      std::ranges::find_if(candidates, [](const fs::path& c) { return fs::is_directory(c / "train"); });
  require(base != candidates.end(), "there is no folder 'train' in '{}': expected train/<class>/ and val/",
          root.string());
  const fs::path validation = *base / "val";
  require(fs::is_directory(validation), "there is no folder 'val' in '{}'", base->string());
  const Classes classes = read_classes(*base / "train", options.class_map);
  Part train = read_class_folders(*base / "train", classes);
  require(!train.labels.empty(), "there are no folders of classes in '{}'", (*base / "train").string());
  const bool flat = class_folders(validation).empty();
  Part val = flat ? read_flat_folder(validation, find_label_file(root, options.validation_labels), classes,
                                     !options.class_map.empty())
                  : read_class_folders(validation, classes);
  return {.train = make_set(std::move(train), classes, options.image_size),
          .test = make_set(std::move(val), classes, options.image_size)};
}

}  // namespace secateur::data
