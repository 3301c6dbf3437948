// CIFAR-10 and CIFAR-100 in the binary layout of their publisher (Krizhevsky, "Learning multiple layers of
// features from tiny images", 2009): https://www.cs.toronto.edu/~kriz/cifar.html.
//
// A record is its label bytes and 3,072 pixel bytes: the red, the green and the blue plane, each 32 rows
// of 32.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "secateur/data/dataset.h"

namespace secateur::data {

// Where the parts of a set stand.
struct CifarLayout {
  std::string name;                      // "cifar10"
  std::string folder;                    // as the publisher's archive calls it
  std::vector<std::string> train_files;  // each of records_per_train_file records
  std::vector<std::string> test_files;
  std::int64_t records_per_train_file = 0;
  std::int64_t records_per_test_file = 0;
  std::string names_file;        // one class name a line
  std::int64_t label_bytes = 0;  // the last of them is the label that is learnt
  std::int64_t num_classes = 0;
  ChannelStatistics statistics;  // of the publisher's training set

  [[nodiscard]] std::int64_t record_bytes() const { return label_bytes + 3072; }
};

[[nodiscard]] const CifarLayout& cifar10_layout();
[[nodiscard]] const CifarLayout& cifar100_layout();

// The folder that holds the set: `directory` or its subfolder of the publisher's name; without a directory
// the environment variable SECATEUR_DATA likewise. Throws Error that lists where it looked.
[[nodiscard]] std::filesystem::path find_cifar(const CifarLayout& layout,
                                               const std::optional<std::filesystem::path>& directory);

// Reads the set from the folder itself. Throws Error, each with the file and, where there is one, the byte
// offset: a missing file, a truncated file, a file that goes on past its last record, a label out of range,
// class names that are too few or too many.
[[nodiscard]] DataSets read_cifar(const CifarLayout& layout, const std::filesystem::path& folder);

}  // namespace secateur::data
