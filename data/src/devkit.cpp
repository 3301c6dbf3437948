#include "secateur/data/devkit.h"

#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "mat_file.h"
#include "secateur/core/error.h"
#include "secateur/io/files.h"

namespace secateur::data {
namespace {

struct Synset {
  std::optional<double> number;
  std::optional<double> children;
  std::optional<std::string> folder;
  std::optional<std::string> words;
};

std::vector<Synset> read_synsets(const MatBytes& bytes, const MatArray& array) {
  std::vector<Synset> synsets;
  each_field(bytes, array, [&](const std::string& field, const MatArray& value, std::int64_t member) {
    if (std::cmp_less_equal(synsets.size(), member)) synsets.emplace_back();
    Synset& synset = synsets.back();
    if (field == "ILSVRC2012_ID") synset.number = number_of(bytes, value);
    if (field == "num_children") synset.children = number_of(bytes, value);
    if (field == "WNID") synset.folder = text_of(bytes, value);
    if (field == "words") synset.words = text_of(bytes, value);
  });
  return synsets;
}

}  // namespace

std::vector<DevkitClass> read_devkit_classes(const std::filesystem::path& meta_mat) {
  const std::string file = meta_mat.string();
  const std::vector<std::byte> bytes = read_file(meta_mat);
  std::optional<std::vector<Synset>> synsets;
  each_variable(bytes, file, [&](const MatBytes& within, const MatArray& array) {
    if (array.name == "synsets") synsets = read_synsets(within, array);
  });
  require(synsets.has_value(), "{}: there is no variable 'synsets', as in the kit's data/meta.mat", file);

  std::map<std::int64_t, DevkitClass> by_number;
  for (std::size_t i = 0; i < synsets->size(); ++i) {
    const Synset& s = (*synsets)[i];
    require(s.number && s.children && s.folder && s.words,
            "{}: 'synsets' has not all of the fields ILSVRC2012_ID, WNID, words and num_children", file);
    if (*s.children != 0) continue;
    const double most = static_cast<double>(synsets->size());
    require(*s.number >= 1 && *s.number <= most && *s.number == std::floor(*s.number),
            "{}: synset {}: expected a number from 1 to {}, got {}", file, i + 1, most, *s.number);
    const auto number = static_cast<std::int64_t>(*s.number);
    require(!s.folder->empty(), "{}: synset {} has no WNID", file, i + 1);
    const bool is_new = by_number.emplace(number, DevkitClass{*s.folder, *s.words}).second;
    require(is_new, "{}: two classes have the number {}", file, number);
  }
  std::vector<DevkitClass> classes;
  for (auto& [number, entry] : by_number) {
    require(std::cmp_equal(number, classes.size() + 1), "{}: expected class number {} next, got {}", file,
            classes.size() + 1, number);
    classes.push_back(std::move(entry));
  }
  require(!classes.empty(), "{}: there are no synsets without children", file);
  return classes;
}

}  // namespace secateur::data
