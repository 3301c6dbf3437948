#include "exif.h"

#include <cstring>
#include <string_view>
#include <utility>

namespace secateur::data {
namespace {

// Integers of a TIFF in its own byte order; 0 beyond the end.
class TiffReader {
 public:
  explicit TiffReader(std::span<const std::byte> bytes)
      : bytes_(bytes), big_endian_(!bytes.empty() && bytes[0] == std::byte{'M'}) {}

  [[nodiscard]] std::uint32_t read(std::size_t at, std::size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t place = big_endian_ ? i : size - 1 - i;
      value = value << 8 | std::to_integer<std::uint32_t>(bytes_[at + place]);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool big_endian_;
};

Orientation orientation_of(std::uint32_t value) {
  switch (value) {
    case 2:
      return {.flipped_x = true};
    case 3:
      return {.flipped_y = true, .flipped_x = true};
    case 4:
      return {.flipped_y = true};
    case 5:
      return {.transposed = true};
    case 6:
      return {.transposed = true, .flipped_y = true};
    case 7:
      return {.transposed = true, .flipped_y = true, .flipped_x = true};
    case 8:
      return {.transposed = true, .flipped_x = true};
    default:
      return {};
  }
}

}  // namespace

Orientation exif_orientation(std::span<const std::byte> marker) {
  constexpr std::string_view kMagic("Exif\0\0", 6);
  if (marker.size() < kMagic.size() + 8) return {};
  if (std::memcmp(marker.data(), kMagic.data(), kMagic.size()) != 0) return {};
  const TiffReader tiff(marker.subspan(kMagic.size()));
  const std::size_t directory = tiff.read(4, 4);
  const std::uint32_t entries = tiff.read(directory, 2);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{i} * 12;
    if (tiff.read(entry, 2) == 0x0112) return orientation_of(tiff.read(entry + 8, 2));
  }
  return {};
}

Region Orientation::to_stored(const Region& upright, double height, double width) const {
  Region stored = upright;
  if (transposed) {
    std::swap(stored.y, stored.x);
    std::swap(stored.height, stored.width);
  }
  if (flipped_y) stored.y = height - stored.y - stored.height;
  if (flipped_x) stored.x = width - stored.x - stored.width;
  return stored;
}

DecodedRegion Orientation::upright(DecodedRegion stored) const {
  if (!transposed && !flipped_y && !flipped_x) return stored;
  const RgbxImage& from = stored.image;
  DecodedRegion result;
  RgbxImage& to = result.image;
  to.height = transposed ? from.width : from.height;
  to.width = transposed ? from.height : from.width;
  to.pixels.resize(from.pixels.size());
  for (std::int64_t y = 0; y < to.height; ++y) {
    for (std::int64_t x = 0; x < to.width; ++x) {
      const std::int64_t row = transposed ? x : y;
      const std::int64_t column = transposed ? y : x;
      const std::int64_t source_y = flipped_y ? from.height - 1 - row : row;
      const std::int64_t source_x = flipped_x ? from.width - 1 - column : column;
      std::memcpy(to.pixels.data() + (y * to.width + x) * 4,
                  from.pixels.data() + (source_y * from.width + source_x) * 4, 4);
    }
  }
  Region region = stored.region;
  if (flipped_y) region.y = static_cast<double>(from.height) - region.y - region.height;
  if (flipped_x) region.x = static_cast<double>(from.width) - region.x - region.width;
  if (transposed) {
    std::swap(region.y, region.x);
    std::swap(region.height, region.width);
  }
  result.region = region;
  return result;
}

}  // namespace secateur::data
