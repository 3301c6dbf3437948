// The image files of tests/data/images, and folders of images made of them.
#pragma once

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "data_fixtures.h"
#include "secateur/data/image_codec.h"
#include "secateur/io/files.h"
#include "test_paths.h"

namespace secateur::data {

inline std::filesystem::path test_image_path(const std::string& name) {
  return std::filesystem::path(test::kSourceDir) / "tests" / "data" / "images" / name;
}
inline std::vector<std::byte> test_image(const std::string& name) { return read_file(test_image_path(name)); }
inline RgbxImage decode_test_image(const std::string& name) {
  const std::vector<std::byte> bytes = test_image(name);
  return ImageDecoder(bytes, name).decode();
}

inline int level(const RgbxImage& image, std::int64_t y, std::int64_t x, std::int64_t c) {
  return image.pixels[static_cast<std::size_t>((y * image.width + x) * 4 + c)];
}

// Mean difference in levels, over the three colours; infinite for images of different sizes.
inline double mean_difference(const RgbxImage& a, const RgbxImage& b) {
  if (a.height != b.height || a.width != b.width) return HUGE_VAL;
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    if (i % 4 != 3) sum += std::abs(a.pixels[i] - b.pixels[i]);
  }
  const std::size_t colors = a.pixels.size() / 4 * 3;
  return sum / static_cast<double>(colors);
}

// Pixels [H, W, 3] as an image.
inline RgbxImage image_of(std::span<const std::uint8_t> rgb, std::int64_t height, std::int64_t width) {
  RgbxImage image{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 4))};
  for (std::size_t i = 0; i < rgb.size(); ++i) image.pixels[i / 3 * 4 + i % 3] = rgb[i];
  return image;
}

// ROOT/train/{cat,dog}/0.jpg .. 5.jpg and ROOT/val/{cat,dog}/0.jpg .. 2.jpg, of several sizes; each image is
// of one grey level that tells it apart: 40 + 4 * its number, cats before dogs, training before validation.
inline void make_image_folder(const std::filesystem::path& root) {
  int number = 0;
  for (const auto& [part, count] : {std::pair("train", 6), std::pair("val", 3)}) {
    for (const char* name : {"cat", "dog"}) {
      const std::filesystem::path folder = root / part / name;
      std::filesystem::create_directories(folder);
      for (int i = 0; i < count; ++i) {
        const RgbxImage image{
            20 + 3 * i, 40 - 2 * i,
            std::vector<std::uint8_t>(static_cast<std::size_t>((20 + 3 * i) * (40 - 2 * i) * 4),
                                      static_cast<std::uint8_t>(40 + 4 * number++))};
        write_file_atomically(folder / (std::to_string(i) + ".jpg"), encode_jpeg(image, 95));
      }
    }
  }
}

}  // namespace secateur::data
