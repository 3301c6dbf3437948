// The two text files that say which class an image is of, beside a folder of five images: the input's first
// byte tells which of them the rest is. Images are not opened for this, so they are empty files.
#include <fstream>

#include "fuzz/fuzz_target.h"
#include "secateur/data/image_folder.h"

namespace {

// Removed when the process ends as it should.
class ImageFolder {
 public:
  ImageFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "secateur-fuzz-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) secateur::fuzz::broken("a folder can be made");
    root_ = pattern;
    for (const char* file :
         {"train/ape/1.jpg", "train/bee/1.jpg", "train/cat/1.jpg", "val/a.jpg", "val/b.jpg"}) {
      std::filesystem::create_directories((root_ / file).parent_path());
      std::ofstream(root_ / file) << "";
    }
    std::ofstream(root_ / "val.txt") << "a.jpg ape\nb.jpg cat\n";
  }
  ~ImageFolder() { std::filesystem::remove_all(root_); }
  ImageFolder(const ImageFolder&) = delete;
  ImageFolder& operator=(const ImageFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  static const ImageFolder folder;
  static const fuzz::MemoryFile text;
  if (size == 0) return 0;
  text.fill({data + 1, size - 1});
  data::ImageFolderOptions options;
  (data[0] % 2 == 0 ? options.class_map : options.validation_labels) = text.path();
  static_cast<void>(fuzz::message_of([&] {
    const data::DataSets sets = data::read_image_folder(folder.root(), options);
    if (sets.train.size() != 3 || sets.test.size() != 2) fuzz::broken("every image has its place");
    for (const data::ImageSet* part : {&sets.train, &sets.test}) {
      for (std::int64_t i = 0; i < part->size(); ++i) {
        if (part->label(i) < 0 || part->label(i) >= part->num_classes()) fuzz::broken("labels are in range");
      }
    }
  }));
  return 0;
}
