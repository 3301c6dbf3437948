// Which way up a camera held: the orientation in a JPEG's EXIF note (JEITA CP-3451, tag 0x0112).
#pragma once

#include <cstddef>
#include <span>

#include "secateur/data/image_codec.h"

namespace secateur::data {

// The upright pixel (y, x) is the stored one (y, x); transposed: (x, y); then mirrored along either axis.
struct Orientation {
  bool transposed = false;
  bool flipped_y = false;
  bool flipped_x = false;

  // A region of the upright image in the stored one, which has `height` x `width` pixels.
  [[nodiscard]] Region to_stored(const Region& upright, double height, double width) const;
  // Stored pixels turned upright, and the region in them.
  [[nodiscard]] DecodedRegion upright(DecodedRegion stored) const;
};

// From the bytes of an APP1 marker; upright where they hold no orientation or nonsense.
[[nodiscard]] Orientation exif_orientation(std::span<const std::byte> marker);

}  // namespace secateur::data
