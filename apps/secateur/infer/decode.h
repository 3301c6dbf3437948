// Image files as 8-bit RGB. decode_images() is the one place where a decoder is chosen, by what a file holds
// and not by what it is called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "secateur/core/shape.h"

namespace secateur::app {

struct DecodedImage {
  std::string name;  // the file's, and which of its images where it holds several
  MapShape shape;
  std::vector<std::uint8_t> pixels;  // [H, W, C]
};

// Binary PPM (P6, 8 bits), and CIFAR-10's and CIFAR-100's binary records. Throws Error that names the file
// and says what is wrong with it.
[[nodiscard]] std::vector<DecodedImage> decode_images(std::span<const std::byte> bytes,
                                                      const std::string& name);

// Scaled so that it covers `target`, by a triangle filter as wide as the scale (antialiased), and cropped at
// the centre.
[[nodiscard]] DecodedImage fitted(DecodedImage image, const MapShape& target);

}  // namespace secateur::app
