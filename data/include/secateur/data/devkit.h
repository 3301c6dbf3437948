// The development kit of ILSVRC2012 (ImageNet's publisher): its file meta.mat says which class a number of
// ILSVRC2012_validation_ground_truth.txt is.
//
// Read is what such a file needs of MATLAB's format (level 5, "MAT-File Format", MathWorks): little-endian,
// variables compressed by zlib or not, of them the struct array `synsets` with the fields ILSVRC2012_ID
// (number), WNID and words (text) and num_children (number). Other variables and fields are passed over.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace secateur::data {

struct DevkitClass {
  std::string folder;  // WordNet's id, which the folder of its training images is called by
  std::string name;    // what it is called, in words
};

// Entry i is class number i + 1: the synsets without children, whose numbers are 1, 2, 3 and so on. Throws
// Error that names file and byte where the file is no such file, damaged, larger than 16 MiB or, inflated,
// than 64 MiB.
[[nodiscard]] std::vector<DevkitClass> read_devkit_classes(const std::filesystem::path& meta_mat);

}  // namespace secateur::data
