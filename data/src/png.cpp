// PNG by libpng's simplified interface: any depth and colour type to 8-bit RGB, transparency over black.
#include <png.h>

#include <string>

#include "image_format.h"
#include "secateur/core/error.h"

namespace secateur::data {
namespace {

class Png final : public ImageDecoder::Format {
 public:
  Png(std::span<const std::byte> bytes, std::string_view name) : name_(name) {
    image_.version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_memory(&image_, bytes.data(), bytes.size()) == 0) fail_as("a broken PNG");
    try {
      check_extent(name_, height(), width());
    } catch (...) {
      png_image_free(&image_);
      throw;
    }
  }
  ~Png() override { png_image_free(&image_); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;

  [[nodiscard]] std::int64_t height() const override { return image_.height; }
  [[nodiscard]] std::int64_t width() const override { return image_.width; }

  [[nodiscard]] DecodedRegion decode(const Region& region, std::optional<Extent> /*target*/) override {
    RgbxImage image{height(), width(), {}};
    image_.format = PNG_FORMAT_RGBA;
    image.pixels.resize(static_cast<std::size_t>(PNG_IMAGE_SIZE(image_)));
    if (png_image_finish_read(&image_, nullptr, image.pixels.data(), 0, nullptr) == 0) {
      fail_as("the pixels of the PNG are broken");
    }
    // Over black: an image without transparency stays as it is.
    for (std::size_t i = 0; i < image.pixels.size(); i += 4) {
      const unsigned alpha = image.pixels[i + 3];
      if (alpha == 255) continue;
      for (std::size_t c = 0; c < 3; ++c) {
        image.pixels[i + c] = static_cast<std::uint8_t>((image.pixels[i + c] * alpha + 127) / 255);
      }
    }
    return {std::move(image), region};
  }

 private:
  [[noreturn]] void fail_as(const char* what) {
    const std::string reason = image_.message;
    png_image_free(&image_);
    fail("'{}': {}: {}", name_, what, reason);
  }

  png_image image_{};
  std::string name_;
};

}  // namespace

std::unique_ptr<ImageDecoder::Format> open_png(std::span<const std::byte> bytes, std::string_view name) {
  return std::make_unique<Png>(bytes, name);
}

}  // namespace secateur::data
