// What a file format has to offer to ImageDecoder, and the formats there are.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "secateur/data/image_codec.h"

namespace secateur::data {

struct Extent {
  std::int64_t height = 0;
  std::int64_t width = 0;
};

class ImageDecoder::Format {
 public:
  virtual ~Format() = default;
  [[nodiscard]] virtual std::int64_t height() const = 0;
  [[nodiscard]] virtual std::int64_t width() const = 0;
  // As ImageDecoder's; with a target as decode_for. A format that cannot decode a part gives the whole.
  [[nodiscard]] virtual DecodedRegion decode(const Region& region, std::optional<Extent> target) = 0;
};

// By the first bytes.
[[nodiscard]] bool is_jpeg(std::span<const std::byte> bytes);

// Each throws Error for a broken header.
[[nodiscard]] std::unique_ptr<ImageDecoder::Format> open_jpeg(std::span<const std::byte> bytes,
                                                              std::string_view name);
[[nodiscard]] std::unique_ptr<ImageDecoder::Format> open_png(std::span<const std::byte> bytes,
                                                             std::string_view name);
[[nodiscard]] std::unique_ptr<ImageDecoder::Format> open_ppm(std::span<const std::byte> bytes,
                                                             std::string_view name);

// Throws Error unless the image has pixels and no more than kMaxImagePixels.
void check_extent(std::string_view name, std::int64_t height, std::int64_t width);

}  // namespace secateur::data
