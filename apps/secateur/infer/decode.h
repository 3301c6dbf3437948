// Image files as 8-bit RGB. decode_images() is the one place where a decoder is chosen, by what a file holds
// and not by what it is called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "secateur/core/shape.h"
#include "secateur/data/image_codec.h"

namespace secateur::app {

struct DecodedImage {
  std::string name;  // the file's, and which of its images where it holds several
  data::RgbxImage image;
};

// JPEG, PNG, binary PPM (P6), and CIFAR-10's and CIFAR-100's binary records. Throws Error that names the file
// and says what is wrong with it.
[[nodiscard]] std::vector<DecodedImage> decode_images(std::span<const std::byte> bytes,
                                                      const std::string& name);

// Pixels [H, W, 3] of the image scaled, antialiased, until its shorter side has `shorter` pixels and it
// covers `target`, and cropped at the centre.
[[nodiscard]] std::vector<std::uint8_t> fitted(const data::RgbxImage& image, const MapShape& target,
                                               std::int64_t shorter = 0);

}  // namespace secateur::app
