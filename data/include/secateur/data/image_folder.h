// Images in folders of their classes, as ImageNet's publisher and most others lay them out:
//
//   ROOT/train/<class>/*.JPEG
//   ROOT/val/<class>/*.JPEG        or ROOT/val/*.JPEG and a file that says which class each is of
//
// also under ROOT/ILSVRC/Data/CLS-LOC. An image is a file that ends in .jpeg, .jpg, .png or .ppm, in any case
// of letters; what it holds is found out when it is decoded. Nothing is decoded here.
#pragma once

#include <cstdint>
#include <filesystem>

#include "secateur/data/dataset.h"

namespace secateur::data {

struct ImageFolderOptions {
  std::int64_t image_size = 224;  // height and width of the images that loaders give
  // Empty: classes in the order of their folders' names. Else a text file, one class a line: the folder's
  // name and, after a blank, what the class is called. Line i (from 0) is label i; classes without images are
  // allowed.
  std::filesystem::path class_map = {};
  // Classes of a flat validation folder; empty: the first of ROOT/val.txt, ROOT/LOC_val_solution.csv,
  // ROOT/ILSVRC2012_validation_ground_truth.txt, the same in ROOT/ILSVRC2012_devkit_t12/data,
  // ROOT/val/val_annotations.txt that is there. A line is a file's name (with or without ending) and, after a
  // blank or a comma, its class's folder; or else a whole number: then line i is the i-th file's, in the
  // order of names, and the number counts the lines of the class map from 1, or without one the classes of
  // the file meta.mat beside these numbers (devkit.h).
  std::filesystem::path validation_labels = {};
};

// The normalisation that networks for ImageNet are published with.
[[nodiscard]] ChannelStatistics imagenet_statistics();

// Training images and, as `test`, validation images. Throws Error that names the folder or file and line: no
// such folder, a class without images, a class that training does not know, a label file that does not fit.
[[nodiscard]] DataSets read_image_folder(const std::filesystem::path& root,
                                         const ImageFolderOptions& options);

}  // namespace secateur::data
