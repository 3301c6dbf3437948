// The seeds of the fuzz targets, written by fuzz_make_corpus.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace secateur::fuzz {

// The folder of one target's seeds.
class Corpus {
 public:
  Corpus(const std::filesystem::path& root, const std::string& target) : folder_(root / target) {
    std::filesystem::create_directories(folder_);
  }
  void add(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  std::filesystem::path folder_;
};

// Seeds of the targets that read data sets.
void make_cifar(const Corpus& corpus);
void make_images(const Corpus& corpus);
void make_class_maps(const Corpus& corpus);
void make_packed(const Corpus& corpus);
void make_meta_mats(const Corpus& corpus);
// And of those that read what a machine measured and chose.
void make_layer_times(const Corpus& corpus);
void make_conv_choices(const Corpus& corpus);

}  // namespace secateur::fuzz
