#include "secateur/infer/decode.h"

#include <algorithm>
#include <cmath>

#include "secateur/core/error.h"
#include "secateur/data/transforms.h"

namespace secateur::app {
namespace {

// Records of `label_bytes` and three planes of 32 x 32.
std::vector<DecodedImage> decode_cifar(std::span<const std::byte> bytes, const std::string& name,
                                       std::size_t label_bytes) {
  constexpr std::size_t kPlane = 1024;
  const std::size_t record = label_bytes + 3 * kPlane;
  std::vector<DecodedImage> images;
  for (std::size_t i = 0; i < bytes.size() / record; ++i) {
    DecodedImage image{fmt::format("{}#{}", name, i), {32, 32, std::vector<std::uint8_t>(4 * kPlane)}};
    const std::byte* planes = bytes.data() + i * record + label_bytes;
    for (std::size_t p = 0; p < kPlane; ++p) {
      for (std::size_t c = 0; c < 3; ++c) {
        image.image.pixels[p * 4 + c] = std::to_integer<std::uint8_t>(planes[c * kPlane + p]);
      }
    }
    images.push_back(std::move(image));
  }
  return images;
}

}  // namespace

std::vector<DecodedImage> decode_images(std::span<const std::byte> bytes, const std::string& name) {
  require(!bytes.empty(), "'{}' is empty", name);
  // CIFAR's records have no mark of their own: their length and a first byte that is a class.
  const bool starts_as_label = std::to_integer<int>(bytes[0]) < 100;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (starts_as_label && !text.starts_with("P6")) {
    if (bytes.size() % 3073 == 0) return decode_cifar(bytes, name, 1);
    if (bytes.size() % 3074 == 0) return decode_cifar(bytes, name, 2);
  }
  return {{name, data::ImageDecoder(bytes, name).decode()}};
}

std::vector<std::uint8_t> fitted(const data::RgbxImage& from, const MapShape& target, std::int64_t shorter) {
  require(target.channels == 3, "images have 3 channels, the network takes {}", target.channels);
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(target.count()));
  const data::Region whole{0, 0, static_cast<double>(from.height), static_cast<double>(from.width)};
  // As an evaluation of the network scaled its images, or just enough to cover the target.
  const auto covering = static_cast<double>(shorter) / static_cast<double>(std::min(from.height, from.width));
  const double scale =
      std::max({covering, static_cast<double>(target.height) / static_cast<double>(from.height),
                static_cast<double>(target.width) / static_cast<double>(from.width)});
  const auto scaled = [scale](std::int64_t extent, std::int64_t least) {
    return std::max(least, std::int64_t{std::lround(static_cast<double>(extent) * scale)});
  };
  data::Output output;
  output.scaled_height = scaled(from.height, target.height);
  output.scaled_width = scaled(from.width, target.width);
  output.height = target.height;
  output.width = target.width;
  output.y = (output.scaled_height - target.height) / 2;
  output.x = (output.scaled_width - target.width) / 2;
  data::resample(from, whole, output, rgb.data());
  return rgb;
}

}  // namespace secateur::app
