// Packed images: a whole data set of encoded images in one file (io/record_file.h), read faster than a folder
// of a million files and copied in one piece.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "secateur/data/dataset.h"

namespace secateur::data {

struct PackOptions {
  std::int64_t size = 0;     // shorter side that larger images are scaled to; 0: they keep their size
  int quality = 90;          // of the JPEG of an image that was scaled, 1 .. 100
  bool raw = false;          // pixels (binary PPM) instead of JPEG
  bool as_is = false;        // JPEGs keep their bytes, instead of getting restart markers (the same pixels;
                             // a crop is then read without what lies around it)
  std::int64_t threads = 0;  // that decode and encode; 0: one a processor
  bool strict = false;       // an image that cannot be decoded throws, instead of being reported and left out
};

struct PackSummary {
  std::int64_t records = 0;
  std::int64_t left_out = 0;
  std::int64_t resumed = 0;  // records that were there from an interrupted run
  std::int64_t bytes = 0;
};

// Gets the number of images done and their total; false stops with Error, and another call goes on from
// there.
using PackProgress = std::function<bool(std::int64_t done, std::int64_t total)>;

// Packs both parts of a set of encoded images. What is done lies in `file`.records.tmp and `file`.journal.tmp
// until the file is whole: an interrupted call goes on where it stopped, one with other images or options
// begins anew. Throws Error.
PackSummary pack_images(const DataSets& sets, const std::filesystem::path& file, const PackOptions& options,
                        const PackProgress& progress = {});

// Opens a packed file; loaders give images of `image_size` squared. Throws Error that names the file.
[[nodiscard]] DataSets read_packed(const std::filesystem::path& file, std::int64_t image_size);

// Reads every record and decodes it. One line for each that is damaged.
[[nodiscard]] std::vector<std::string> verify_packed(const std::filesystem::path& file,
                                                     const PackProgress& progress = {});

}  // namespace secateur::data
